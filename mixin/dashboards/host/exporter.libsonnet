function(config, panels, labels, dashboard)
  dashboard.row('Is the exporter fine?', 8, [
    dashboard.at(24, height=6, panel=panels.table(
      'Exporters',
      [labels.host, panels.label('version', 'Version', width=80)],
      [
        panels.number(null, 'max by (instance, version) (netstat_exporter_build_info{%(host)s})'),
        panels.number('Up since', '1000 * max by (instance) (process_start_time_seconds{%(host)s} and on (%(cluster)s, job, instance) netstat_exporter_build_info{%(host)s})', 'dateTimeFromNow'),
        panels.number('Tables failing', 'sum by (instance) (netstat_exporter_table_success{%(host)s} == bool 0)', levels=panels.levels(red=1, normal='text')),
        panels.number('Collectors failing', 'sum by (instance) (netstat_exporter_collector_success{%(host)s} == bool 0)', levels=panels.levels(red=1, normal='text')),
        panels.number(
          'Config errors',
          'max by (instance) (netstat_exporter_config_last_reload_successful{%(host)s} == bool 0)',
          levels=panels.levels(red=1, normal='text'),
        ),
        panels.number('Config of', '1000 * max by (instance) (netstat_exporter_config_last_reload_success_timestamp_seconds{%(host)s})', 'dateTimeFromNow'),
        panels.number('Pause', 'max by (instance) (netstat_exporter_pass_interval_seconds{%(host)s})', 's'),
      ],
      |||
        One line for each exporter. Tables failing are those of the kernel that the last pass could not read; their sockets are
        not counted. Collectors failing have no metrics. A click on a host leads to the exporter's own status page.
      |||,
    )),
    dashboard.at(12, panels.table(
      'Tables',
      [labels.host, panels.label('table', 'Table', width=80), panels.label('source', 'Source', width=80)],
      [
        panels.number(null, 'max by (instance, table, source) (netstat_exporter_table_source_info{%(host)s})'),
        panels.number('Rows', 'max by (instance, table, source) (netstat_exporter_table_rows{%(host)s} * on (%(cluster)s, job, instance, table) group_left (source) netstat_exporter_table_source_info{%(host)s})'),
        panels.number(
          'Took',
          'max by (instance, table, source) (netstat_exporter_table_duration_seconds{%(host)s} * on (%(cluster)s, job, instance, table) group_left (source) netstat_exporter_table_source_info{%(host)s})',
          's',
        ),
      ],
      "The kernel's tables at the last pass: where each was read from, its rows, and how long it took to read and count them.",
      sort='Rows',
    )),
    dashboard.at(12, panels.graph(
      'Age of the counts',
      's',
      [panels.line('netstat_exporter_snapshot_age_seconds{%(host)s}', '{{instance}}')],
      'How old the snapshot was when it was scraped. It is never much older than the pause between two passes.',
    )),
    dashboard.at(8, panels.graph(
      'CPU of passes',
      'percentunit',
      [panels.line(
        |||
          netstat_exporter_pass_cpu_seconds{%(host)s}
          / (netstat_exporter_pass_interval_seconds{%(host)s} + netstat_exporter_pass_duration_seconds{%(host)s})
        |||,
        '{{instance}}',
      )],
      'Share of one core that passes take. The interval is extended to keep it below cpu_budget, 5 % by default.',
    )),
    dashboard.at(8, panels.graph(
      'Memory',
      'bytes',
      [panels.line(
        'process_resident_memory_bytes{%(host)s} and on (%(cluster)s, job, instance) netstat_exporter_build_info{%(host)s}',
        '{{instance}}',
      )],
      'Resident memory of the exporter.',
    )),
    dashboard.at(8, panels.graph(
      'Duration of collectors',
      's',
      [panels.line('topk(10, max by (collector) (netstat_exporter_collector_duration_seconds{%(host)s}))', '{{collector}}')],
      'Time that each collector takes in a pass, after the tables were read, of the slowest host.',
    )),
    dashboard.at(12, panels.graph(
      'Passes',
      'ops',
      [panels.line('sum by (result) (rate(netstat_exporter_passes_total{%(host)s}[$__rate_interval]))', '{{result}}')],
      'Passes a second by result: partial is one in which a table or a collector failed, failure one in which no table was read.',
    )),
    dashboard.at(12, panels.graph(
      "Difference to the kernel's own count",
      'short',
      [panels.line('sum by (protocol, family) (netstat_exporter_sockstat_difference{%(host)s})', '{{protocol}} {{family}}')],
      |||
        Sockets counted less those that sockstat says are in use. A few are normal while sockets come and go; one that stays is
        a table that is not read whole.
      |||,
      signed=true,
    )),
    dashboard.at(12, panels.graph(
      'Errors',
      'cps',
      [
        panels.line('sum(rate(netstat_exporter_malformed_rows_total{%(host)s}[$__rate_interval]))', 'malformed rows'),
        panels.line('sum(rate(netstat_exporter_repeated_rows_total{%(host)s}[$__rate_interval]))', 'repeated rows'),
        panels.line('sum(rate(netstat_exporter_http_requests_rejected_total{%(host)s}[$__rate_interval])) or vector(0)', 'requests refused'),
        panels.line('sum(rate(netstat_exporter_http_connections_rejected_total{%(host)s}[$__rate_interval])) or vector(0)', 'connections refused'),
        panels.line('sum(rate(netstat_exporter_log_lines_lost_total{%(host)s}[$__rate_interval]))', 'log lines lost'),
      ],
      |||
        A second: rows of the kernel's tables that could not be parsed, rows listed twice because a table changed while it was
        read, requests and connections refused because there were too many, log lines that standard error did not take.
      |||,
    )),
    dashboard.at(12, panels.graph(
      'Beyond the limits, or without an owner',
      'short',
      [
        panels.line('sum(netstat_exporter_ports_folded{%(host)s})', 'ports in other'),
        panels.line('sum(netstat_exporter_sockets_folded{%(host)s})', 'sockets in other'),
        panels.line('sum(netstat_exporter_untracked_sockets{%(host)s})', 'sockets without an age'),
        panels.line('sum(netstat_exporter_owner_sockets_unattributed{%(host)s})', 'sockets without an owner'),
      ],
      |||
        Ports that are in "other" because there are more than ports.limit, and their sockets; sockets without an age because
        there are more than tracked.limit; sockets in tracked states without an owner.
      |||,
    )),
    dashboard.at(12, panels.graph(
      'Events of closed connections',
      'cps',
      [
        panels.line('sum by (outcome) (rate(netstat_exporter_close_events_total{%(host)s}[$__rate_interval]))', '{{outcome}}'),
        panels.line('sum(rate(netstat_exporter_close_events_lost_total{%(host)s}[$__rate_interval]))', 'lost'),
      ],
      'Events of destroyed sockets a second, by what they were of. Those lost came faster than the exporter reads, and are in no count.',
      empty='Not measured (closed_connections.enabled)',
    )),
    dashboard.at(12, panels.graph(
      'Cost of closed connections',
      'percentunit',
      [
        panels.line('max(rate(netstat_exporter_close_events_cpu_seconds_total{%(host)s}[$__rate_interval]))', 'CPU of the busiest exporter'),
        panels.line('min(netstat_exporter_close_events_sampling_ratio{%(host)s})', 'share of events that is read'),
      ],
      'Share of one core that reading the events takes, and the share of them that is read to keep it within closed_connections.cpu_budget.',
      empty='Not measured (closed_connections.enabled)',
    )),
  ])
