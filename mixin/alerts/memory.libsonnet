function(config, texts) {
  local most = texts.list(
    'topk(3, sum by (direction, port, port_name, owner) (' + texts.owned('netstat_owner_socket_memory_bytes' + texts.own()) + ') > 0)',
    '{{ $top.Labels.direction }} port {{ $top.Labels.port }} ({{ $top.Labels.port_name }}) of {{ $top.Labels.owner }}: {{ $top.Value | humanize1024 }}B',
    'unknown'
  ),
  local aborts = texts.lines([
    texts.place + ' resets {{ printf "%.2f" $value }} connections a second, inbound or outbound, because the memory of TCP',
    'or the number of orphans is at its limit.',
  ]),

  name: 'netstat-memory',
  rules: [
    {
      record: 'instance:netstat_orphaned_sockets:ratio',
      expr: 'max without (pod) (netstat_orphaned_sockets{%(selector)s}) / (max without (pod) (netstat_orphaned_sockets_limit{%(selector)s}) > 0)',
    },
    {
      record: 'instance:netstat_tcp_memory_bytes:ratio',
      expr: 'max without (pod) (netstat_tcp_memory_bytes{%(selector)s}) / (max without (pod) (netstat_tcp_memory_limit_bytes{%(selector)s}) > 0)',
    },
    {
      record: 'instance:netstat_memory_aborts:rate5m',
      expr: 'sum without (pod) (rate(netstat_memory_aborts_total{%(selector)s}[5m]))',
    },

    // The kernel counts some orphans twice and those that do not drain four times (tcp_out_of_resources), so it may reset
    // the first of them from a quarter of tcp_max_orphans on; half is where that is no longer an exception.
    {
      alert: 'NetstatOrphansNearLimit',
      expr: 'instance:netstat_orphaned_sockets:ratio{%(selector)s} > %(orphansNearLimitRatio)s',
      'for': config.orphansNearLimitFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: "The number of orphaned connections is near the kernel's limit.",
        description: texts.lines([
          texts.instance + ' has {{ $value | humanizePercentage }} of the orphaned connections, inbound and outbound, that the kernel',
          'allows. No process holds them any more. Above the limit the kernel resets them.',
        ]),
      },
    },

    // Above tcp_mem's second number the kernel shrinks the buffers of every connection, until it is below the first.
    {
      alert: 'NetstatTcpMemoryPressure',
      expr: |||
        min_over_time(netstat_tcp_memory_bytes{%(selector)s}[5m]) > netstat_tcp_memory_pressure_bytes{%(selector)s}
      |||,
      'for': config.tcpMemoryPressureFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'TCP buffers take so much memory that the kernel shrinks them.',
        description: texts.lines([
          'TCP buffers of ' + texts.instance + ' take {{ $value | humanize1024 }}B. Most is held by the sockets of:',
          most + '.',
        ]),
      },
    },

    // At the third number the kernel gives no memory to any connection. Half of the way there from the second is 5/6 of it
    // (tcp_mem's defaults are as 3 : 4 : 6).
    {
      alert: 'NetstatTcpMemoryPressure',
      expr: 'min_over_time(instance:netstat_tcp_memory_bytes:ratio{%(selector)s}[5m]) > %(tcpMemoryPressureCriticalRatio)s',
      'for': config.tcpMemoryPressureCriticalFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.criticalSeverity },
      annotations: {
        summary: 'TCP is about to run out of memory.',
        description: texts.lines([
          'TCP buffers of ' + texts.instance + ' take {{ $value | humanizePercentage }} of the memory that the kernel allows.',
          'Most is held by the sockets of: ' + most + '.',
        ]),
      },
    },

    // Three a minute, and one a second for each 100,000 established connections. A few resets are a ticket.
    {
      alert: 'NetstatMemoryAborts',
      expr: |||
        instance:netstat_memory_aborts:rate5m{%(selector)s} > %(memoryAbortsRate)s
          unless
        instance:netstat_memory_aborts:rate5m{%(selector)s}
          <= sum without (protocol, state, direction, port, pod) (
               instance_port_state:netstat_sockets:sum{%(selector)s, state="established"}
             ) / %(memoryAbortsConnections)s
      |||,
      'for': config.memoryAbortsFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'The kernel resets connections because it is short of memory for them.',
        description: aborts,
      },
    },

    // A quarter of an hour without a pause is no peak: every service of the host loses connections.
    {
      alert: 'NetstatMemoryAborts',
      expr: |||
        (
          min_over_time(instance:netstat_memory_aborts:rate5m{%(selector)s}[15m]) > %(memoryAbortsRate)s
            and instance:netstat_memory_aborts:rate5m{%(selector)s} offset 15m > %(memoryAbortsRate)s
        )
          unless
        instance:netstat_memory_aborts:rate5m{%(selector)s}
          <= sum without (protocol, state, direction, port, pod) (
               instance_port_state:netstat_sockets:sum{%(selector)s, state="established"}
             ) / %(memoryAbortsConnections)s
      |||,
      'for': config.memoryAbortsCriticalFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.criticalSeverity },
      annotations: {
        summary: 'The kernel resets connections because it is short of memory for them.',
        description: aborts,
      },
    },
  ],
}
