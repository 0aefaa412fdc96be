function(config, texts) {
  local service = ['protocol', 'direction', 'port'],
  local closeWait = 'state="close_wait"',
  local filesLeft = 'netstat_owner_open_files_limit%s - netstat_owner_open_files%s' % [texts.own(), texts.joined()],
  local filesTaken = 'deriv(netstat_owner_open_files' + texts.joined() + '[30m]) > 0',
  local theirOwners =
    'ignoring (protocol, state, direction, port, port_name) (netstat_owner_sockets' + texts.joined(service, [closeWait]) + ' > 0)',
  local leak = texts.lines([
    '{{ $value }} {{ $labels.direction }} {{ $labels.protocol }} connections of port ' + texts.port,
    texts.inPlace + ' are stuck in CLOSE_WAIT'
    + texts.each('max(netstat_oldest_socket_age_seconds' + texts.own(service, [closeWait]) + ') > 0', ', the oldest for {{ .Value | humanizeDuration }}')
    + '. They belong to:',
    texts.list(
      'topk(3, sum by (owner) (' + texts.owned('netstat_owner_sockets' + texts.own(service, [closeWait])) + ') > 0)',
      '{{ $top.Labels.owner }} ({{ $top.Value }})',
      'unknown'
    ) + '.'
    + texts.each(
      'bottomk(1, ' + texts.owned('%s and %s' % [filesLeft, theirOwners]) + ')',
      ' A process of {{ .Labels.owner }} can open {{ printf "%.0f" .Value }} more files.'
    )
    + texts.each('min(time() + ((%s) / (%s) < 86400) and %s)' % [filesLeft, filesTaken, theirOwners], texts.noneLeftAt),
  ]),

  name: 'netstat-leaks',
  rules: [
    // netstat_stuck_sockets counts sockets that have been in their state for longer than ages.stuck_after, 60 s by default.
    {
      record: 'instance_port_state:netstat_stuck_sockets:sum',
      expr: |||
        sum without (family) (
          max without (port_name, pod) (netstat_stuck_sockets{%(selector)s, netns=""})
            or
          max without (port_name) (netstat_stuck_sockets{%(selector)s, netns!=""})
        )
      |||,
    },
    // Only the states that rules and dashboard compare over time.
    {
      record: 'instance_port_state:netstat_sockets:sum',
      expr: |||
        sum without (family) (
          max without (port_name, pod) (
            netstat_sockets{%(selector)s, netns="", protocol="tcp", state=~"established|close_wait|syn_recv|listen"}
          )
            or
          max without (port_name) (
            netstat_sockets{%(selector)s, netns!="", protocol="tcp", state=~"established|close_wait|syn_recv|listen"}
          )
        )
      |||,
    },
    // Stuck sockets for each established connection of the port. +Inf where nothing is established.
    {
      record: 'instance_port_state:netstat_stuck_sockets:ratio',
      expr: |||
        instance_port_state:netstat_stuck_sockets:sum{%(selector)s}
          / ignoring (state) group_left () instance_port_state:netstat_sockets:sum{%(selector)s, state="established"}
      |||,
    },

    // CLOSE_WAIT has no timeout: only close() by the local process ends it.
    // 20 is the size of the idle pool of common HTTP and database clients, which notice a closed connection when they next
    // use it. A proxy always has a few half-closed connections: below one for each 100 established ones it is no leak.
    {
      alert: 'NetstatCloseWaitLeak',
      expr: |||
        min_over_time(instance_port_state:netstat_stuck_sockets:sum{%(selector)s, state="close_wait", port!="other"}[15m]) > %(closeWaitLeakSockets)s
          unless
        instance_port_state:netstat_stuck_sockets:ratio{%(selector)s} <= %(closeWaitShare)s
      |||,
      'for': config.closeWaitLeakFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'A process does not close connections that the other side has closed.',
        description: leak,
      },
    },

    // What decides is the limit of the process: a leak is critical when one of its owners has used 80 % of it, or will reach
    // it within four hours.
    // Where no owner's limit is known, before Linux 6.2 or without owners, the leak has to be large and to grow: the number
    // alone may be spread over thirty processes. 45 minutes lie between the two windows: in them it has grown by 5 %, or by 100.
    {
      alert: 'NetstatCloseWaitLeak',
      expr: |||
        (
          min_over_time(instance_port_state:netstat_stuck_sockets:sum{%(selector)s, state="close_wait", port!="other"}[15m]) > %(closeWaitLeakSockets)s
            and ignoring (owner, pod)
          max without (port_name, pod, owner, exported_owner) (
            netstat_owner_sockets{%(selector)s, state="close_wait"} > %(closeWaitLeakSockets)s
              and ignoring (protocol, state, direction, port, port_name, pod)
            (
              instance_owner:netstat_owner_open_files:ratio{%(selector)s} > %(closeWaitLeakOpenFilesRatio)s
                or
              instance_owner:netstat_owner_open_files:predict4h{%(selector)s}
            )
          )
            or
          min_over_time(instance_port_state:netstat_stuck_sockets:sum{%(selector)s, state="close_wait", port!="other"}[15m]) > %(closeWaitLeakCriticalSockets)s
            and
          min_over_time(instance_port_state:netstat_stuck_sockets:sum{%(selector)s}[15m])
            - max_over_time(instance_port_state:netstat_stuck_sockets:sum{%(selector)s}[15m] offset 1h)
            > clamp_max(%(closeWaitLeakGrowthShare)s * max_over_time(instance_port_state:netstat_stuck_sockets:sum{%(selector)s}[15m] offset 1h), %(closeWaitLeakGrowthSockets)s)
            unless ignoring (owner, pod)
          max without (port_name, pod, owner, exported_owner) (
            netstat_owner_sockets{%(selector)s, state="close_wait"} > %(closeWaitLeakSockets)s
              and ignoring (protocol, state, direction, port, port_name, pod)
            instance_owner:netstat_owner_open_files:ratio{%(selector)s}
          )
        )
          unless
        instance_port_state:netstat_stuck_sockets:ratio{%(selector)s} <= %(closeWaitShare)s
      |||,
      'for': config.closeWaitLeakCriticalFor,
      labels: { severity: config.criticalSeverity },
      annotations: {
        summary: 'A leak of connections is exhausting file descriptors, or is large and still growing.',
        description: leak,
      },
    },

    // The lowest count of the last 15 minutes is above the highest of 15 minutes an hour before. One jump keeps this true
    // for 45 minutes, so an hour of it is growth that goes on.
    {
      alert: 'NetstatCloseWaitGrowing',
      expr: |||
        (
          min_over_time(instance_port_state:netstat_stuck_sockets:sum{%(selector)s, state="close_wait", port!="other"}[15m]) > %(closeWaitGrowingSockets)s
            and
          min_over_time(instance_port_state:netstat_stuck_sockets:sum{%(selector)s}[15m])
            > max_over_time(instance_port_state:netstat_stuck_sockets:sum{%(selector)s}[15m] offset 1h)
        )
          unless
        instance_port_state:netstat_stuck_sockets:ratio{%(selector)s} <= %(closeWaitShare)s
      |||,
      'for': config.closeWaitGrowingFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'The number of connections that a process does not close keeps growing.',
        description: leak,
      },
    },
  ],
}
