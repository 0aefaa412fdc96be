function(config, texts) {
  local exporter = 'netstat-exporter on ' + texts.instance,

  name: 'netstat-exporter',
  rules: [
    // The name of the job: netstat as in scrape.example.yml, or NAMESPACE/netstat-exporter from a PodMonitor.
    // 10 minutes are a reboot of a physical machine.
    {
      alert: 'NetstatExporterDown',
      expr: 'up{%(selector)s, %(upSelector)s} == 0',
      'for': config.exporterDownFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'Prometheus cannot scrape netstat-exporter.',
        description: texts.lines([
          texts.instance + ' of job {{ $labels.job }} cannot be scraped. No other alert on its sockets, inbound or outbound, can fire.',
        ]),
      },
    },

    // More than half of the passes failed: an error that comes and goes counts as well.
    {
      alert: 'NetstatTableFailing',
      expr: 'avg_over_time(netstat_exporter_table_success{%(selector)s}[10m]) < %(tableFailingRatio)s',
      'for': config.tableFailingFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: "One of the kernel's socket tables cannot be read.",
        description: exporter + " cannot read the kernel's table {{ $labels.table }}. Its sockets are not counted.",
      },
    },

    {
      alert: 'NetstatCollectorFailing',
      expr: 'avg_over_time(netstat_exporter_collector_success{%(selector)s}[10m]) < %(collectorFailingRatio)s',
      'for': config.collectorFailingFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'A collector of netstat-exporter fails, and its metrics are missing.',
        description: texts.lines([
          'The collector {{ $labels.collector }} of ' + exporter + ' fails. Its metrics are missing, so alerts on',
          'them cannot fire.',
        ]),
      },
    },

    // Ten passes are missing, and a minute. The age is measured on the host with a monotonic clock.
    {
      alert: 'NetstatSnapshotStale',
      expr: |||
        netstat_exporter_snapshot_age_seconds{%(selector)s}
          > %(snapshotStaleSeconds)s + %(snapshotStalePasses)s * (netstat_exporter_pass_interval_seconds{%(selector)s} + netstat_exporter_pass_duration_seconds{%(selector)s})
      |||,
      'for': config.snapshotStaleFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'netstat-exporter serves old counts.',
        description: 'The counts of ' + texts.instance + ' were {{ $value | humanizeDuration }} old when Prometheus scraped them.',
      },
    },

    // The tables and sockstat are read at two moments, so a single difference means nothing. The average over 15 minutes is
    // near zero unless rows are missed or repeated all the time. 5 % would hide what other alerts look for; 20 sockets are
    // the floor for a small host. sockstat counts neither TIME_WAIT nor SYN_RECV.
    {
      alert: 'NetstatCountsInexact',
      expr: |||
        max without (namespace, pod) (abs(avg_over_time(netstat_exporter_sockstat_difference{%(selector)s}[15m]))) > %(countsInexactSockets)s
          and ignoring (namespace)
        max without (namespace, pod) (abs(avg_over_time(netstat_exporter_sockstat_difference{%(selector)s}[15m])))
          > ignoring (namespace)
        %(countsInexactShare)s * sum without (state, direction, port, port_name, pod) (
          netstat_sockets{%(selector)s, netns="", state!~"time_wait|syn_recv"}
        )
      |||,
      'for': config.countsInexactFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: "The counts are far from the kernel's own.",
        description: texts.lines([
          exporter + ' is {{ $value | humanize }} {{ $labels.protocol }} sockets',
          "({{ $labels.family }}) off the kernel's own number.",
        ]),
      },
    },

    {
      alert: 'NetstatConfigReloadFailed',
      expr: 'netstat_exporter_config_last_reload_successful{%(selector)s} == 0',
      'for': config.configReloadFailedFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'netstat-exporter runs with an old configuration.',
        description: exporter + ' could not read its configuration at the last reload. It runs with the one before.',
      },
    },

    {
      alert: 'NetstatSocketsUntracked',
      expr: 'min_over_time(netstat_exporter_untracked_sockets{%(selector)s}[15m]) > %(socketsUntrackedSockets)s',
      'for': config.socketsUntrackedFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'More sockets are in a tracked state than netstat-exporter tracks.',
        description: texts.lines([
          exporter + ' does not track {{ $value }} sockets in a tracked state. More are stuck, and for',
          'longer, than it shows.',
        ]),
      },
    },

    // Each pass reads what has changed, and the rest within namespaces.max_age, 5 minutes by default. Three times that is no
    // peak. Other namespaces have no alerts then, so it should be known; if it is intended, namespaces.enabled or
    // namespaces.exclude says so.
    {
      alert: 'NetstatNamespacesUnread',
      expr: |||
        sum without (result) (
          min_over_time(netstat_exporter_network_namespaces{%(selector)s, result=~"unreadable|over_limit"}[15m])
        ) > 0
          or
        (min_over_time(netstat_exporter_network_namespace_oldest_reading_age_seconds{%(selector)s}[15m]) > bool %(namespacesUnreadSeconds)s) > 0
      |||,
      'for': config.namespacesUnreadFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'netstat-exporter does not read some network namespaces of containers or pods.',
        description: texts.lines([
          exporter + ' has not read at least {{ $value }} of the other network namespaces for 15',
          'minutes. Leaks there are not seen.',
        ]),
      },
    },
  ],
}
