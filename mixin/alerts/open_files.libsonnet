function(config, texts) {
  local filesLeft =
    'netstat_owner_open_files_limit%s - netstat_owner_open_files%s' % [texts.own(['owner', 'exported_owner']), texts.joined()],
  local filesTaken = 'deriv(netstat_owner_open_files' + texts.joined() + '[30m]) > 0',
  local openFiles = texts.lines([
    'A process of {{ or $labels.exported_owner $labels.owner }} ' + texts.inPlace + ' uses {{ $value | humanizePercentage }}',
    'of the file descriptors that it may have, for inbound and outbound connections and files together.'
    + texts.each('min(' + filesLeft + ')', ' {{ printf "%.0f" .Value }} are left.')
    + texts.each('min(time() + ((%s) / (%s) < 86400))' % [filesLeft, filesTaken], texts.noneLeftAt),
  ]),

  name: 'netstat-open-files',
  rules: [
    // Of each owner, the process nearest to its limit.
    {
      record: 'instance_owner:netstat_owner_open_files:ratio',
      expr: 'max without (pod) (netstat_owner_open_files{%(selector)s}) / (max without (pod) (netstat_owner_open_files_limit{%(selector)s}) > 0)',
    },
    // The share in four hours at the pace of the last hour, where that is more than all. It must have grown in both halves
    // of the hour: a restart, after which all clients connect again, is no pace.
    {
      record: 'instance_owner:netstat_owner_open_files:predict4h',
      expr: |||
        predict_linear(instance_owner:netstat_owner_open_files:ratio{%(selector)s}[1h], 4 * 3600) > 1
          and
        instance_owner:netstat_owner_open_files:ratio{%(selector)s} > instance_owner:netstat_owner_open_files:ratio{%(selector)s} offset 30m
          and
        instance_owner:netstat_owner_open_files:ratio{%(selector)s} offset 30m
          > instance_owner:netstat_owner_open_files:ratio{%(selector)s} offset 1h
      |||,
    },

    // At 100 % accept(), connect() and open() fail with EMFILE, and most programs are of no use then. The peaks of a program
    // that is well dimensioned stay below 80 %.
    {
      alert: 'NetstatOpenFilesRunningOut',
      expr: 'instance_owner:netstat_owner_open_files:ratio{%(selector)s} > %(openFilesRunningOutRatio)s',
      'for': config.openFilesRunningOutFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'A process is running out of file descriptors.',
        description: openFiles,
      },
    },

    // 40 % is half of the alert above: below it, a rise in the morning is normal.
    {
      alert: 'NetstatOpenFilesFillingUp',
      expr: |||
        instance_owner:netstat_owner_open_files:ratio{%(selector)s} > %(openFilesFillingUpRatio)s
          and
        instance_owner:netstat_owner_open_files:predict4h{%(selector)s}
      |||,
      'for': config.openFilesFillingUpFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'A process will run out of file descriptors within four hours.',
        description: openFiles,
      },
    },
  ],
}
