function(config, texts) {
  local most = texts.list(
    'topk(3, sum by (direction, port, port_name) (netstat_sockets' + texts.own([], ['state="time_wait"']) + ') > 0)',
    '{{ $top.Labels.direction }} port {{ $top.Labels.port }} ({{ $top.Labels.port_name }}): {{ $top.Value }}',
    'unknown'
  ),

  name: 'netstat-time-wait',
  rules: [
    {
      record: 'instance:netstat_time_wait_buckets:ratio',
      expr: 'max without (pod) (netstat_time_wait_buckets{%(selector)s}) / (max without (pod) (netstat_time_wait_limit{%(selector)s}) > 0)',
    },
    {
      record: 'instance:netstat_time_wait_overflows:rate5m',
      expr: 'sum without (pod) (rate(netstat_time_wait_overflows_total{%(selector)s}[5m]))',
    },

    // Above the limit, tcp_max_tw_buckets, the kernel ends TIME_WAIT at once.
    {
      alert: 'NetstatTimeWaitTableFilling',
      expr: 'instance:netstat_time_wait_buckets:ratio{%(selector)s} > %(timeWaitTableFillingRatio)s',
      'for': config.timeWaitTableFillingFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: "The kernel's table of TIME_WAIT sockets is nearly full.",
        description: texts.lines([
          texts.place + ' has {{ $value | humanizePercentage }} of the TIME_WAIT sockets that the kernel allows. Most belong to:',
          most + '.',
        ]),
      },
    },

    // Six a minute, and 1 % of the connections that enter TIME_WAIT: of a full table a sixtieth leaves in a second.
    {
      alert: 'NetstatTimeWaitOverflow',
      expr: |||
        instance:netstat_time_wait_overflows:rate5m{%(selector)s} > %(timeWaitOverflowRate)s
          unless
        instance:netstat_time_wait_overflows:rate5m{%(selector)s} <= %(timeWaitOverflowShare)s / 60 * max without (pod) (netstat_time_wait_buckets{%(selector)s})
      |||,
      'for': config.timeWaitOverflowFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'The kernel ends TIME_WAIT early because its table is full.',
        description: texts.lines([
          texts.place + ' ends {{ printf "%.1f" $value }} connections a second without TIME_WAIT. Most that are left belong to:',
          most + '.',
        ]),
      },
    },
  ],
}
