function(config, panels, labels, dashboard)
  dashboard.row('Who drops?', 8, [
    dashboard.at(12, panels.table(
      'Who drops',
      [labels.host, labels.owner, labels.protocol, labels.port],
      [panels.number(
        'Dropped',
        |||
          max by (instance, owner, protocol, port_name) (label_replace(netstat_listener_info{%(host)s}
          * ignoring (exposure, owner, exported_owner) group_left ()
          (rate(netstat_listener_drops_total{%(host)s}[$__rate_interval]) or rate(netstat_udp_drops_total{%(host)s}[$__rate_interval])),
          "owner", "$1", "exported_owner", "(.+)")) > 0
        |||,
        'cps',
        panels.levels(0.1, 1, 'text'),
      )],
      |||
        Connections, and datagrams, a second that the sockets of a port dropped, with the owner of the port: the accept queue was
        full, there were too many unfinished handshakes without SYN cookies, or a program does not read its datagrams in time.
      |||,
      sort='Dropped',
    )),
    dashboard.at(12, panels.graph(
      'Connections dropped by port',
      'cps',
      [panels.line('topk(10, sum by (port_name) (rate(netstat_listener_drops_total{%(host)s}[$__rate_interval])) > 0)', '{{port_name}}')],
      'Connections a second that the listeners of each port dropped. A client that tries again is counted again.',
      empty='None',
    )),
    dashboard.at(12, panels.graph(
      'Why connections are dropped',
      'cps',
      [
        panels.line('sum(rate(netstat_listen_drops_total{%(sockets)s}[$__rate_interval]))', 'for any reason'),
        panels.line('sum(rate(netstat_listen_overflows_total{%(sockets)s}[$__rate_interval]))', 'accept queue full'),
        panels.line('sum(rate(netstat_syn_queue_drops_total{%(host)s}[$__rate_interval]))', 'too many unfinished handshakes'),
        panels.line('sum(rate(netstat_syn_cookies_sent_total{%(host)s}[$__rate_interval]))', 'not dropped: SYN cookies sent'),
      ],
      "The kernel's own counters, which know no port.",
    )),
    dashboard.at(12, panels.graph(
      'Datagrams dropped by port',
      'pps',
      [panels.line('topk(10, sum by (port_name) (rate(netstat_udp_drops_total{%(host)s}[$__rate_interval])) > 0)', '{{port_name}}')],
      "Datagrams a second that UDP sockets dropped, mostly because the socket's receive buffer was full.",
      empty='None',
    )),
  ])
