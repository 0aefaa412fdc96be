// Alerts that are off by default.
function(config, texts) {
  name: 'netstat-optional',
  rules: [
    // A port can be reached from outside at which nothing was reachable in the day before. It fires for an hour. Good for
    // hosts whose services are known: not for CI runners, and not for hosts on which people open ports as they please.
    // A firewall is not taken into account. port="other" holds changing ports.
    {
      alert: 'NetstatNewListener',
      expr: |||
        (
          max without (family, port_name, pod, exposure, owner, exported_owner) (
            netstat_listener_info{%(selector)s, exposure!="loopback", port!="other"}
          )
            unless
          max without (family, port_name, pod, exposure, owner, exported_owner) (
            max_over_time(netstat_listener_info{%(selector)s, exposure!="loopback", port!="other"}[1d] offset 1h)
          )
        )
          and ignoring (protocol, port, owner)
        max without (owner) (instance:netstat_exporter_table_success:min{%(selector)s} offset 1h)
      |||,
      'for': config.newListenerFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'A port can be reached that could not be reached the day before.',
        description: texts.lines([
          '{{ $labels.protocol }} port ' + texts.port,
          'of ' + texts.instance + ' accepts inbound connections from outside, which it did not within a day.'
          + texts.listens('listens', 'netstat_listener_info' + texts.own(['protocol', 'port'])),
        ]),
      },
    },
  ],
}
