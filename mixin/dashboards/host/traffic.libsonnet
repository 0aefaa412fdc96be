function(config, panels, labels, dashboard)
  dashboard.row('What is the traffic like?', 8, [
    dashboard.at(12, panels.graph(
      'TCP states that last',
      'short',
      [panels.line('sum by (state) (netstat_sockets{protocol="tcp", state=~"established|listen|close_wait", %(sockets)s})', '{{state}}')],
      'Sockets that stay until a program does something.',
    )),
    dashboard.at(12, panels.graph(
      'TCP states that pass',
      'short',
      [panels.line('sum by (state) (netstat_sockets{protocol="tcp", state!~"established|listen|close_wait", %(sockets)s}) > 0', '{{state}}')],
      'Connections that come or go; the kernel moves them on, or ends them after a time.',
      empty='None',
    )),
    dashboard.at(12, panels.graph(
      'New connections',
      'cps',
      [
        panels.line('sum(rate(netstat_tcp_connections_opened_total{%(host)s}[$__rate_interval]))', 'opened'),
        panels.line('sum(rate(netstat_tcp_connections_accepted_total{%(host)s}[$__rate_interval]))', 'accepted'),
        panels.line('sum(rate(netstat_tcp_connection_attempts_failed_total{%(host)s}[$__rate_interval]))', 'failed'),
        panels.line('sum(rate(netstat_tcp_connections_reset_total{%(host)s}[$__rate_interval]))', 'reset'),
      ],
      |||
        Connections a second, of all ports together: opened by this host, accepted from others, failed before they were
        established, and ended with a reset. These are the kernel's own counters.
      |||,
    )),
    dashboard.at(12, panels.graph(
      'Peaks between scrapes',
      'short',
      [panels.line('topk(6, max by (state, direction, port_name) (netstat_sockets_peak{%(host)s}) > 0)', '{{port_name}} {{direction}} {{state}}')],
      'Maximum of the counts over the last peaks.window, a minute by default, on one host. It shows bursts that the other graphs miss.',
      empty='None',
    )),
    dashboard.at(12, panels.graph(
      'Inbound connections by port',
      'short',
      [panels.line(
        'topk(10, sum by (port_name) (netstat_sockets{protocol="tcp", direction="inbound", state!="listen", %(sockets)s}) > 0)',
        '{{port_name}}',
      )],
      'Connections that others opened to this host in any state, those of the ten busiest ports at each moment.',
      empty='None',
    )),
    dashboard.at(12, panels.graph(
      'Outbound connections by port',
      'short',
      [panels.line(
        'topk(10, sum by (port_name) (netstat_sockets{protocol="tcp", direction="outbound", %(sockets)s}) > 0)',
        '{{port_name}}',
      )],
      'Connections that this host opened in any state, those of the ten busiest ports at each moment. Ports that are not busy are in "other".',
      empty='None',
    )),
    dashboard.at(12, panels.graph(
      'UDP sockets by port',
      'short',
      [panels.line(
        'topk(10, sum by (direction, port_name) (netstat_sockets{protocol="udp", %(sockets)s}) > 0)',
        '{{port_name}} {{direction}}',
      )],
      'UDP sockets of the ten busiest ports at each moment.',
      empty='None',
    )),
    dashboard.at(12, panels.table(
      'What listens',
      [
        labels.host,
        labels.owner,
        labels.protocol,
        labels.port,
        panels.label('exposure', 'Reachable at', colors={ any: 'orange', address: 'yellow', loopback: 'green' }),
      ],
      [panels.number(
        null,
        'max by (instance, owner, protocol, port_name, exposure) (%s)' % panels.owned('netstat_listener_info{%(host)s}'),
      )],
      |||
        Who listens at which ports. any is every address of the host, loopback only programs of the host itself, address one
        other address. A firewall is not taken into account.
      |||,
    )),
  ])
