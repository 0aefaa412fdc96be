function(config, panels, labels, dashboard)
  dashboard.row('When are no file descriptors left?', 8, [
    dashboard.at(24, height=6, panel=panels.table(
      'Open files by owner',
      [labels.host, labels.owner],
      [
        panels.number('Open', 'max by (instance, owner) (%s)' % panels.owned('netstat_owner_open_files{%(host)s}')),
        panels.number('Limit', 'max by (instance, owner) (%s)' % panels.owned('netstat_owner_open_files_limit{%(host)s}')),
        panels.number(
          'Used',
          'max by (instance, owner) (%s)' % panels.owned('instance_owner:netstat_owner_open_files:ratio{%(host)s}'),
          'percentunit',
          panels.levels(config.openFilesRunningOutRatio, 0.95),
          gauge=true,
        ),
        panels.number(
          'None left in',
          'min by (instance, owner) (%s) < 604800' % panels.owned(|||
            (netstat_owner_open_files_limit{%(host)s} - netstat_owner_open_files{%(host)s})
            / (deriv(netstat_owner_open_files{%(host)s}[$__rate_interval]) > 0)
          |||),
          's',
          panels.secondsLeft(14400, 'text'),
        ),
      ],
      |||
        File descriptors of the process nearest to its limit, of each owner of listeners or of connections in CLOSE_WAIT. At
        100 % accept() and connect() fail. None left in is the time until then, at the pace of this moment.
      |||,
      sort='Used',
    )),
    dashboard.at(12, panels.graph(
      'Open files over time',
      'percentunit',
      [panels.line('max by (owner) (%s)' % panels.owned('instance_owner:netstat_owner_open_files:ratio{%(host)s}'), '{{owner}}')],
      |||
        The share of the file descriptors that are in use, of the process of each owner that is nearest to its limit. A line that
        climbs and never falls is a leak, whether or not a table lists what is leaked.
      |||,
      panels.levels(config.openFilesRunningOutRatio, 0.95),
    )),
    dashboard.at(12, panels.graph(
      'Allocated TCP sockets',
      'short',
      [panels.line('netstat_tcp_sockets_allocated{%(host)s}', '{{instance}}')],
      |||
        TCP sockets of the whole host that take memory. Where it climbs while the connections do not, descriptors are left open
        whose connections are long gone.
      |||,
    )),
  ])
