function(config, panels, labels, dashboard)
  local stat(args) = dashboard.at(4, args);
  dashboard.row('Is anything wrong now?', 5, [
    stat(panels.stat(
      'Firing alerts',
      'none',
      'count(ALERTS{alertname=~"Netstat.+", alertstate="firing", %(host)s}) or vector(0)',
      'Alerts of this mixin that fire at this moment; 0 as well where Prometheus has not loaded them.',
      panels.levels(red=1),
    )),
    stat(panels.stat(
      'Exporters down',
      'none',
      'count(instance:up:exporters{%(host)s} == 0) or vector(0)',
      'Exporters that Prometheus cannot scrape. No other panel shows anything of their hosts. Other targets of a shared job do not count.',
      panels.levels(red=1),
    )),
    stat(panels.stat(
      'Largest leak',
      'short',
      'max(instance_port_state:netstat_stuck_sockets:sum{state="close_wait", %(sockets)s})',
      |||
        The most connections of one port and direction that are stuck in CLOSE_WAIT. Orange is more than the idle connections
        of a pool; red is critical as long as they grow.
      |||,
      panels.levels(config.closeWaitLeakSockets + 1, config.closeWaitLeakCriticalSockets + 1),
    )),
    stat(panels.stat(
      'Oldest CLOSE_WAIT',
      's',
      'max(netstat_oldest_socket_age_seconds{state="close_wait", %(sockets)s})',
      |||
        How long the oldest connection has been in CLOSE_WAIT, since the exporter first saw it there. Orange from 15 minutes on,
        which is how long the alerts wait.
      |||,
      panels.levels(900),
    )),
    stat(panels.stat(
      'Open files',
      'percentunit',
      'max(instance_owner:netstat_owner_open_files:ratio{%(host)s})',
      'File descriptors of the process nearest to its limit, as a share of that limit. At 100 % accept() and connect() fail.',
      panels.levels(config.openFilesRunningOutRatio, 0.95),
    )),
    stat(panels.stat(
      'No file left in',
      's',
      |||
        min((netstat_owner_open_files_limit{%(host)s} - netstat_owner_open_files{%(host)s})
        / (deriv(netstat_owner_open_files{%(host)s}[$__rate_interval]) > 0) < 604800)
      |||,
      |||
        The time until the first process has used all of its file descriptors, at the pace of this moment. Red is below four
        hours, when the alert on a leak is critical.
      |||,
      panels.secondsLeft(14400, 'green'),
      'No end in sight',
    )),
    stat(panels.stat(
      'Ephemeral ports',
      'percentunit',
      |||
        max(instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(sockets)s}
        or instance_protocol:netstat_ephemeral_ports_bound:ratio{protocol="udp", %(sockets)s})
      |||,
      |||
        Local ports in use towards the busiest destination, or held by UDP sockets of one address, as a share of the ephemeral
        ports. At 100 % connect() fails.
      |||,
      panels.levels(config.ephemeralPortsRunningOutRatio, config.ephemeralPortsRunningOutCriticalRatio),
      '< 10 %',
    )),
    stat(panels.stat(
      'Fullest accept queue',
      'percentunit',
      'max(instance_port:netstat_accept_queue_utilization_ratio:max{%(sockets)s})',
      |||
        Connections that wait for accept(), as a share of the backlog, of the fullest single listener. The kernel lets one more
        wait than that, and drops the next.
      |||,
      panels.levels(config.acceptQueueFillingRatio, config.acceptQueueFillingCriticalRatio),
      'No listener',
    )),
    stat(panels.stat(
      'Connections dropped',
      'cps',
      'sum(rate(netstat_listen_overflows_total{%(sockets)s}[$__rate_interval]))',
      'Connections a second that found an accept queue full, of all chosen hosts.',
      panels.levels(red=config.acceptQueueOverflowRate),
    )),
    stat(panels.stat(
      'UDP drops',
      'pps',
      'sum(rate(netstat_udp_drops_total{%(host)s}[$__rate_interval]))',
      'Datagrams a second that UDP sockets drop, mostly because their program does not read in time.',
      panels.levels(config.udpDropsRate),
    )),
    stat(panels.stat(
      'Without an answer',
      'short',
      'sum(netstat_unanswered_sockets{waiting!="handshake", %(host)s})',
      'Established connections whose peer has not answered three tries in a row.',
      panels.levels(config.peersVanishedInboundSockets + 1),
    )),
    stat(panels.stat(
      'TCP memory',
      'percentunit',
      'max(instance:netstat_tcp_memory_bytes:ratio{%(host)s})',
      |||
        Memory of TCP's buffers, as a share of the limit in tcp_mem. From two thirds on, the default of its second number, the
        kernel saves memory; at 100 % it resets connections.
      |||,
      panels.levels(2 / 3, config.tcpMemoryPressureCriticalRatio),
    )),
    dashboard.at(24, height=8, panel=panels.table(
      'Alerts that fire',
      [
        panels.label('severity', 'Severity', colors={ [config.criticalSeverity]: 'red', [config.warningSeverity]: 'orange' }, width=90),
        panels.label('alertname', 'Alert: what to do', [
          { title: 'What to do about ${__value.text}', url: config.runbookUrl + '/${__value.text}.md', targetBlank: true },
        ], width=270),
        labels.host,
        labels.place,
        labels.owner,
        labels.direction,
        labels.protocol,
        panels.label('port', 'Port', width=90),
      ],
      [
        panels.number(
          'Since',
          |||
            1000 * max by (severity, alertname, instance, netns, owner, protocol, direction, port)
            (ALERTS_FOR_STATE{alertname=~"Netstat.+", %(host)s} and ignoring (alertstate) ALERTS{alertname=~"Netstat.+", alertstate="firing", %(host)s})
          |||,
          'dateTimeFromNow',
        ),
      ],
      'What fires now, where, and since when its condition holds; nothing on a good day. A click on an alert leads to its runbook.',
      sort='Severity',
      descending=false,
    )),
  ])
