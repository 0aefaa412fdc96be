function(config, panels, labels, dashboard)
  dashboard.row('What runs out?', 8, [
    dashboard.at(12, panels.table(
      'Nearest to a limit',
      [labels.host, panels.label('resource', 'What')],
      [panels.number(
        'Used',
        'max by (instance, resource) (instance_resource:netstat_used:ratio{%(host)s})',
        'percentunit',
        panels.levels(0.7, 0.9),
        gauge=true,
      )],
      |||
        What the kernel bounds, as a share of its limit, the fullest of each kind. At 100 % the next open(), connect() or
        connection of a client fails, or the kernel drops a connection.
      |||,
      sort='Used',
    )),
    dashboard.at(12, panels.graph(
      'Ephemeral ports by destination port',
      'percentunit',
      [panels.line(
        'max by (netns, protocol, port) (instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(sockets)s})',
        'to {{protocol}} {{port}} {{netns}}',
      )],
      |||
        Local ports in use from one source to one destination address, the busiest of each port, as a share of the ephemeral
        ports. Only ports with a tenth of them or more are counted. At 100 % connect() to that one fails.
      |||,
      panels.levels(config.ephemeralPortsRunningOutRatio, config.ephemeralPortsRunningOutCriticalRatio),
      empty='Every port is below 10 %',
    )),
    dashboard.at(12, panels.graph(
      'Ephemeral ports for all destinations',
      'percentunit',
      [panels.line(
        'max by (instance, protocol) (instance_protocol:netstat_ephemeral_ports_bound:ratio{%(sockets)s})',
        '{{protocol}} {{instance}}',
      )],
      |||
        Local ports that sockets hold for all destinations, as a share of the ephemeral ports: of TCP those of the busiest
        local address, of UDP those of all addresses. UDP sockets, and TCP sockets that call bind() before connect(), need one of
        their own. TCP connections without bind() share them, so many of these fill the line for tcp without harm. Outbound
        TIME_WAIT is not part of it.
      |||,
      panels.levels(config.boundPortsRunningOutRatio, config.boundPortsRunningOutCriticalRatio),
    )),
    dashboard.at(12, panels.graph(
      'TIME_WAIT table',
      'percentunit',
      [panels.line('max by (instance) (instance:netstat_time_wait_buckets:ratio{%(sockets)s})', '{{instance}}')],
      |||
        Connections in TIME_WAIT, as a share of tcp_max_tw_buckets. They end by themselves after a minute; beyond the limit at
        once, and late packets of an old connection may then reach a new one.
      |||,
      panels.levels(config.timeWaitTableFillingRatio, 1),
    )),
    dashboard.at(14, panels.table(
      'Accept queues',
      [labels.host, labels.place, labels.port],
      [
        panels.number('Waiting', 'sum by (instance, netns, port_name) (netstat_accept_queue_length{%(sockets)s})', width=80),
        panels.number('Limit', 'sum by (instance, netns, port_name) (netstat_accept_queue_limit{%(sockets)s})', width=80),
        panels.number(
          'Filled',
          'max by (instance, netns, port_name) (netstat_accept_queue_utilization_ratio{%(sockets)s})',
          'percentunit',
          panels.levels(config.acceptQueueFillingRatio, config.acceptQueueFillingCriticalRatio),
          gauge=true,
        ),
      ],
      'Connections that wait for accept(), and the backlog, of all listeners of a port. Filled is the fullest single listener.',
      sort='Filled',
    )),
    dashboard.at(10, panels.graph(
      'Accept queues over time',
      'percentunit',
      [panels.line('max by (port) (instance_port:netstat_accept_queue_utilization_ratio:max{%(sockets)s}) > 0', 'port {{port}}')],
      'How full the fullest listener of each port is. One that stays half full belongs to a program that accepts too slowly.',
      panels.levels(config.acceptQueueFillingRatio, config.acceptQueueFillingCriticalRatio),
      empty='Every queue is empty',
    )),
    dashboard.at(12, panels.graph(
      'Orphans',
      'percentunit',
      [panels.line('instance:netstat_orphaned_sockets:ratio{%(host)s}', '{{instance}}')],
      'Connections of the whole host that no process holds any more, as a share of tcp_max_orphans. Beyond it the kernel resets them.',
      panels.levels(config.orphansNearLimitRatio, 1),
    )),
    dashboard.at(12, panels.graph(
      'What did run out',
      'cps',
      [
        panels.line('sum(rate(netstat_time_wait_overflows_total{%(sockets)s}[$__rate_interval]))', 'TIME_WAIT cut short'),
        panels.line('sum(rate(netstat_memory_aborts_total{%(sockets)s}[$__rate_interval]))', 'reset, out of memory'),
        panels.line('sum(rate(netstat_listen_overflows_total{%(sockets)s}[$__rate_interval]))', 'accept queue full'),
      ],
      'What the kernel gave up, in connections a second.',
    )),
  ])
