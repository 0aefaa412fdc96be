function(config, texts) {
  local inUse = texts.lines([
    texts.place + ' uses {{ $value | humanizePercentage }} of its ephemeral ports for outbound {{ $labels.protocol }}',
    'connections to one address with port ' + texts.port + '.',
  ]),
  // UDP takes a port for all local addresses, TCP for one.
  local boundPorts = texts.lines([
    '{{ $labels.protocol }} sockets ' + texts.inPlace + ' hold {{ $value | humanizePercentage }} of the ephemeral',
    'ports{{ if eq $labels.protocol "tcp" }} of one local address, for outbound traffic to any destination. At 100 % clients',
    'that call bind() before connect(){{ else }}, for outbound traffic from any address to any destination. At 100 %',
    'clients{{ end }} get no port.',
  ]),

  name: 'netstat-ephemeral-ports',
  rules: [
    {
      record: 'instance_port:netstat_ephemeral_ports_busiest_destination:ratio',
      expr: |||
        max without (family, port_name, pod) (netstat_ephemeral_ports_busiest_destination{%(selector)s})
          / ignoring (protocol, port) group_left () (max without (pod) (netstat_ephemeral_ports{%(selector)s}) > 0)
      |||,
    },
    // Of TCP without outbound TIME_WAIT: after connect() without bind() it takes no port from other destinations, and
    // most of it comes from there. Which program called bind() first, the kernel does not say.
    {
      record: 'instance_protocol:netstat_ephemeral_ports_bound:ratio',
      expr: |||
        (
          clamp_min(
            max without (pod) (netstat_ephemeral_ports_bound{%(selector)s, protocol="tcp"})
              - sum without (family, state, direction, port, port_name, pod) (
                  netstat_sockets{%(selector)s, protocol="tcp", direction="outbound", state="time_wait"}
                ),
            0
          )
            or
          max without (pod) (netstat_ephemeral_ports_bound{%(selector)s})
        )
          / ignoring (protocol) group_left () (max without (pod) (netstat_ephemeral_ports{%(selector)s}) > 0)
      |||,
    },

    // Every connection to one address and port needs a local port of its own. At 100 % connect() fails with EADDRNOTAVAIL.
    {
      alert: 'NetstatEphemeralPortsRunningOut',
      expr: 'instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s} > %(ephemeralPortsRunningOutRatio)s',
      'for': config.ephemeralPortsRunningOutFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'The ephemeral ports towards one destination are running out.',
        description: inUse + ' At 100 % it cannot connect to that address any more.',
      },
    },

    {
      alert: 'NetstatEphemeralPortsRunningOut',
      expr: 'instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s} > %(ephemeralPortsRunningOutCriticalRatio)s',
      'for': config.ephemeralPortsRunningOutCriticalFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.criticalSeverity },
      annotations: {
        summary: 'The ephemeral ports towards one destination are running out.',
        description: inUse + ' At 100 % it cannot connect to that address any more.',
      },
    },

    // At the pace of the last 30 minutes none is left in two hours. It must have grown in both halves of them: one jump, as
    // when a second pool opens its connections, is no pace. 35 % is half of the warning above.
    {
      alert: 'NetstatEphemeralPortsFillingUp',
      expr: |||
        instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s} > %(ephemeralPortsFillingUpRatio)s
          and
        predict_linear(instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s}[30m], 2 * 3600) > 1
          and
        instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s}
          > instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s} offset 15m
          and
        instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s} offset 15m
          > instance_port:netstat_ephemeral_ports_busiest_destination:ratio{%(selector)s} offset 30m
      |||,
      'for': config.ephemeralPortsFillingUpFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'The ephemeral ports towards one destination will run out within two hours.',
        description: inUse + ' At the pace of the last 30 minutes none is left within two hours.',
      },
    },

    // A UDP socket takes its local port for all destinations, and so does a TCP socket that calls bind() before connect().
    // TCP connections without bind() share local ports: a load balancer with many destinations has nearly every port in
    // use, and can still connect. 1.5 outbound sockets for each port in use are the sign of that: at 70 % by chance it is 1.7.
    // Nor do ports count that only TIME_WAIT holds, see the record.
    {
      alert: 'NetstatBoundPortsRunningOut',
      expr: |||
        instance_protocol:netstat_ephemeral_ports_bound:ratio{%(selector)s} > %(boundPortsRunningOutRatio)s
          unless
        max without (pod) (netstat_ephemeral_ports_bound{%(selector)s, protocol="tcp"})
          < sum without (family, state, direction, port, port_name, pod) (
              netstat_sockets{%(selector)s, protocol="tcp", direction="outbound"}
            ) / %(boundPortsSharing)s
      |||,
      'for': config.boundPortsRunningOutFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'Ephemeral ports that sockets hold for all destinations are running out.',
        description: boundPorts,
      },
    },

    {
      alert: 'NetstatBoundPortsRunningOut',
      expr: |||
        instance_protocol:netstat_ephemeral_ports_bound:ratio{%(selector)s} > %(boundPortsRunningOutCriticalRatio)s
          unless
        max without (pod) (netstat_ephemeral_ports_bound{%(selector)s, protocol="tcp"})
          < sum without (family, state, direction, port, port_name, pod) (
              netstat_sockets{%(selector)s, protocol="tcp", direction="outbound"}
            ) / %(boundPortsSharing)s
      |||,
      'for': config.boundPortsRunningOutCriticalFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.criticalSeverity },
      annotations: {
        summary: 'Ephemeral ports that sockets hold for all destinations are running out.',
        description: boundPorts,
      },
    },
  ],
}
