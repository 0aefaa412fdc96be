function(config, texts) {
  local whoListens = texts.listens('listens', 'netstat_listener_info' + texts.own(['protocol', 'port'])),
  local queue = texts.lines([
    'The accept queue of a listener of {{ $labels.protocol }} port ' + texts.port,
    texts.inPlace + ' is {{ $value | humanizePercentage }} full'
    + texts.each(
      'sum(netstat_accept_queue_length' + texts.own(['protocol', 'port']) + ')',
      '; {{ .Value }} inbound connections of this port wait for accept()'
    )
    + '.'
    + whoListens,
  ]),

  name: 'netstat-listeners',
  rules: [
    {
      record: 'instance_port:netstat_accept_queue_utilization_ratio:max',
      expr: 'max without (family, port_name, pod) (netstat_accept_queue_utilization_ratio{%(selector)s})',
    },
    {
      record: 'instance_port:netstat_listener_drops:rate5m',
      expr: 'sum without (family) (max without (port_name, pod) (rate(netstat_listener_drops_total{%(selector)s}[5m])))',
    },
    {
      record: 'instance:netstat_listen_overflows:rate5m',
      expr: 'sum without (pod) (rate(netstat_listen_overflows_total{%(selector)s}[5m]))',
    },
    {
      record: 'instance:netstat_exporter_table_success:min',
      expr: 'min without (table, namespace, pod) (netstat_exporter_table_success{%(selector)s, table=~"tcp6?"})',
    },

    // The fullest single listener: a worker that hangs is not averaged away. A program that calls accept() empties its
    // queue each time, so one that stays half full is too slow. Fewer than three waiting is a backlog of one or two.
    {
      alert: 'NetstatAcceptQueueFilling',
      expr: |||
        min_over_time(instance_port:netstat_accept_queue_utilization_ratio:max{%(selector)s}[5m]) > %(acceptQueueFillingRatio)s
          unless
        sum without (family) (max without (port_name, pod) (netstat_accept_queue_length{%(selector)s})) < %(acceptQueueFillingConnections)s
      |||,
      'for': config.acceptQueueFillingFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'A program accepts connections more slowly than they come in.',
        description: queue,
      },
    },

    {
      alert: 'NetstatAcceptQueueFilling',
      expr: |||
        min_over_time(instance_port:netstat_accept_queue_utilization_ratio:max{%(selector)s}[5m]) >= %(acceptQueueFillingCriticalRatio)s
          unless
        sum without (family) (max without (port_name, pod) (netstat_accept_queue_length{%(selector)s})) < %(acceptQueueFillingConnections)s
      |||,
      'for': config.acceptQueueFillingCriticalFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.criticalSeverity },
      annotations: {
        summary: 'A program does not accept connections, and its queue is full.',
        description: queue,
      },
    },

    // Six a minute, and one a second for each 10,000 established inbound connections: if these last 100 s on average, it is
    // 1 % of the new ones.
    {
      alert: 'NetstatAcceptQueueOverflow',
      expr: |||
        instance:netstat_listen_overflows:rate5m{%(selector)s} > %(acceptQueueOverflowRate)s
          unless
        instance:netstat_listen_overflows:rate5m{%(selector)s}
          <= sum without (protocol, state, direction, port, pod) (
               instance_port_state:netstat_sockets:sum{%(selector)s, state="established", direction="inbound"}
             ) / %(acceptQueueOverflowConnections)s
      |||,
      'for': config.acceptQueueOverflowFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'The kernel drops connections because an accept queue is full.',
        description: texts.lines([
          texts.place + ' drops {{ printf "%.1f" $value }} inbound connections a second. They are dropped at:',
          texts.list(
            'topk(3, max by (port, port_name, owner) (' + texts.owned(
              'netstat_listener_info%s * ignoring (exposure, owner, exported_owner) group_left () rate(netstat_listener_drops_total%s[5m])'
              % [texts.own(), texts.joined()]
            ) + ') > 0)',
            'port {{ $top.Labels.port }} ({{ $top.Labels.port_name }}) of {{ $top.Labels.owner }}: {{ printf "%.1f" $top.Value }} a second',
            'a port that is not known'
          ) + '.',
        ]),
      },
    },

    // A handshake takes one round trip. The kernel keeps as many unfinished ones as the backlog allows, then drops them or
    // sends cookies. Scanners leave a few at any time, hence 20.
    {
      alert: 'NetstatSynRecvPileUp',
      expr: |||
        min_over_time(
          instance_port_state:netstat_sockets:sum{%(selector)s, state="syn_recv", direction="inbound", port!="other"}[5m]
        ) > %(synRecvPileUpSockets)s
          and ignoring (state, direction)
        min_over_time(
          instance_port_state:netstat_sockets:sum{%(selector)s, state="syn_recv", direction="inbound", port!="other"}[5m]
        )
          > ignoring (state, direction)
        %(synRecvPileUpRatio)s * sum without (family) (max without (port_name, pod) (netstat_accept_queue_limit{%(selector)s, protocol="tcp"} > 0))
      |||,
      'for': config.synRecvPileUpFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'Handshakes of inbound connections are not completed.',
        description: texts.lines([
          '{{ $value }} inbound {{ $labels.protocol }} connections to port ' + texts.port,
          texts.inPlace + ' are in SYN_RECV, more than {{ ' + config.synRecvPileUpRatio + ' | humanizePercentage }} of the backlog',
          'of its listeners.' + whoListens,
        ]),
      },
    },
    // Something has listened without a gap for an hour: it is there at both ends, as often as the tables were read, and
    // never 0. What listens for minutes is left out: a job, a port-forward, a test server.
    {
      record: 'instance_port_state:netstat_sockets:min1h',
      expr: |||
        min_over_time(
          instance_port_state:netstat_sockets:sum{%(selector)s, state="listen", direction="inbound", port!="other"}[1h]
        ) > 0
          and instance_port_state:netstat_sockets:sum{%(selector)s} > 0
          and instance_port_state:netstat_sockets:sum{%(selector)s} offset 1h > 0
          and count_over_time(instance_port_state:netstat_sockets:sum{%(selector)s}[1h])
            >= ignoring (protocol, state, direction, port, netns, namespace, pod) group_left ()
          0.95 * count_over_time(instance:netstat_exporter_table_success:min{%(selector)s}[1h])
      |||,
    },

    // It was so within the last hour, and nothing listens now, though the same target has read the tables. The exporter
    // keeps the port at 0 for an hour. A port that folds into "other" has no series, so a missing one counts only where
    // nothing is folded. The series of a pod end with the pod.
    {
      alert: 'NetstatListenerGone',
      expr: |||
        (
          max_over_time(instance_port_state:netstat_sockets:min1h{%(selector)s}[1h])
            unless instance_port_state:netstat_sockets:sum{%(selector)s} > 0
            and ignoring (protocol, state, direction, port, netns, namespace, pod)
              instance:netstat_exporter_table_success:min{%(selector)s} == 1
        )
          unless
        (
          max_over_time(instance_port_state:netstat_sockets:min1h{%(selector)s}[1h])
            unless instance_port_state:netstat_sockets:sum{%(selector)s}
            and ignoring (protocol, state, direction, port, netns, namespace, pod)
              max without (namespace, pod) (netstat_exporter_ports_folded{%(selector)s}) > 0
        )
          unless
        (
          max_over_time(instance_port_state:netstat_sockets:min1h{%(selector)s, netns!=""}[1h])
            unless instance_port_state:netstat_sockets:sum{%(selector)s}
        )
      |||,
      'for': config.listenerGoneFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'Nothing listens any more on a port that had a listener for an hour or longer.',
        description: texts.lines([
          'Nothing listens for inbound {{ $labels.protocol }} connections on port ' + texts.port,
          'of ' + texts.place + '. Within the last hour a program did, and had done so for an hour or longer.'
          + texts.listens('listened', 'last_over_time(netstat_listener_info' + texts.own(['protocol', 'port']) + '[2h])'),
        ]),
      },
    },
  ],
}
