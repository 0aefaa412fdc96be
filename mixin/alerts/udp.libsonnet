function(config, texts) {
  name: 'netstat-udp',
  rules: [
    {
      record: 'instance_port:netstat_udp_drops:rate5m',
      expr: 'sum without (family) (max without (port_name, pod) (rate(netstat_udp_drops_total{%(selector)s}[5m])))',
    },

    // The kernel drops what does not fit into the socket's buffer; the sender is not told. One a second matters anywhere.
    // One a minute matters where the queue was never empty: then the program reads late or not at all, and the share of
    // what is lost is high.
    {
      alert: 'NetstatUdpDrops',
      expr: |||
        instance_port:netstat_udp_drops:rate5m{%(selector)s} > %(udpDropsRate)s
          or
        (
          instance_port:netstat_udp_drops:rate5m{%(selector)s} > %(udpDropsSlowPerMinute)s / 60
            and
          max without (family, direction, port_name, pod) (
            min_over_time(netstat_receive_queue_bytes{%(selector)s, protocol=~"udp|udplite"}[15m])
          ) > 0
        )
      |||,
      'for': config.udpDropsFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'A program reads datagrams more slowly than they come in.',
        description: texts.lines([
          '{{ printf "%.2f" $value }} {{ $labels.protocol }} datagrams a second are dropped at port ' + texts.port,
          'of ' + texts.instance + ', because the receive buffer of a socket is full.',
        ]),
      },
    },
  ],
}
