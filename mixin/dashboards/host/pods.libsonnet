function(config, panels, labels, dashboard)
  dashboard.row('Pods and containers', 8, [
    dashboard.at(24, panels.table(
      'By pod or container',
      [labels.host, labels.place],
      [
        panels.number(
          'Established',
          'sum by (instance, netns) (netstat_sockets{netns!="", protocol="tcp", state="established", %(sockets)s})',
        ),
        panels.number(
          'CLOSE_WAIT',
          'sum by (instance, netns) (netstat_sockets{netns!="", protocol="tcp", state="close_wait", %(sockets)s}) > 0',
        ),
        panels.number(
          'Stuck',
          'sum by (instance, netns) (netstat_stuck_sockets{netns!="", state="close_wait", %(sockets)s}) > 0',
          levels=panels.levels(config.closeWaitLeakSockets + 1, config.closeWaitLeakCriticalSockets + 1, 'text'),
        ),
      ],
      'Every network namespace beside the host\'s own that has TCP connections: of pods, containers, and those of ip netns.',
      sort='Stuck',
    )),
    dashboard.at(8, panels.graph(
      'TCP sockets by pod or container',
      'short',
      [panels.line('topk(10, sum by (netns) (netstat_sockets{netns!="", protocol="tcp", state!="listen", %(sockets)s}) > 0)', '{{netns}}')],
      'Connections in any state, those of the ten busiest at each moment.',
      empty='None',
    )),
    dashboard.at(8, panels.graph(
      'Network namespaces',
      'short',
      [panels.line('sum by (result) (netstat_exporter_network_namespaces{%(host)s})', '{{result}}')],
      |||
        Network namespaces beside the host's own, by what the last pass did. Those unreadable and over_limit are not counted:
        leaks there are not seen.
      |||,
      empty='None, or not looked for (namespaces.enabled)',
    )),
    dashboard.at(8, panels.graph(
      'Oldest reading',
      's',
      [panels.line('max by (instance) (netstat_exporter_network_namespace_oldest_reading_age_seconds{%(host)s})', '{{instance}}')],
      'How long ago the tables were read of the namespace that has waited the longest. namespaces.max_age is 5 minutes by default.',
      empty='None',
    )),
  ])
