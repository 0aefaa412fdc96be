function(config, texts) {
  local service = ['protocol', 'direction', 'port'],
  local connections = '{{ $value }} {{ $labels.direction }} {{ $labels.protocol }} connections of port ' + texts.port,

  name: 'netstat-peers',
  rules: [
    {
      record: 'instance_port_state:netstat_unanswered_sockets:sum',
      expr: 'sum without (family, waiting) (max without (port_name, pod) (netstat_unanswered_sockets{%(selector)s}))',
    },
    // Connections that were established. Handshakes are apart.
    {
      record: 'instance_port:netstat_unanswered_sockets:sum',
      expr: |||
        sum without (state) (instance_port_state:netstat_unanswered_sockets:sum{%(selector)s, state!~"syn_sent|syn_recv"})
      |||,
    },
    {
      record: 'instance_port:netstat_unanswered_sockets:ratio',
      expr: |||
        instance_port:netstat_unanswered_sockets:sum{%(selector)s}
          / sum without (state) (instance_port_state:netstat_sockets:sum{%(selector)s, state="established"})
      |||,
    },

    // A socket counts after three tries without an answer. It lasts as long as the kernel goes on trying: 15 minutes with
    // data to send (tcp_retries2), two minutes when its program has closed it. Six minutes are longer than a reboot.
    // Outbound, five connections and one in twenty: one dead backend of twenty. Inbound, clients vanish all the time
    // (phones, laptops), so it takes half of all: then it is the network, or the load balancer in front.
    {
      alert: 'NetstatPeersVanished',
      expr: |||
        (
          instance_port:netstat_unanswered_sockets:sum{%(selector)s, direction="outbound", port!="other"} > %(peersVanishedSockets)s
            unless
          instance_port:netstat_unanswered_sockets:ratio{%(selector)s} <= %(peersVanishedShare)s
        )
          or
        (
          instance_port:netstat_unanswered_sockets:sum{%(selector)s, direction="inbound", port!="other"} > %(peersVanishedInboundSockets)s
            unless
          instance_port:netstat_unanswered_sockets:ratio{%(selector)s} <= %(peersVanishedInboundShare)s
        )
      |||,
      'for': config.peersVanishedFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'The other end of established connections does not answer any more.',
        description: texts.lines([
          connections,
          'on ' + texts.instance + ' have no answer after three tries or more. They wait for:',
          texts.list(
            'topk(3, sum by (waiting) (netstat_unanswered_sockets' + texts.own(service, ['waiting!="handshake"']) + ') > 0)',
            '{{ $top.Labels.waiting }} ({{ $top.Value }})',
            'nothing at this moment'
          ) + '.',
        ]),
      },
    },

    // A SYN that was sent four times in three seconds or more. A crawler or a monitoring system always has a few towards
    // hosts that are gone, but many more connections that work.
    {
      alert: 'NetstatConnectsUnanswered',
      expr: |||
        sum without (state) (
          instance_port_state:netstat_unanswered_sockets:sum{%(selector)s, state="syn_sent", direction="outbound", port!="other"}
        ) > %(connectsUnansweredSockets)s
          unless
        sum without (state) (instance_port_state:netstat_unanswered_sockets:sum{%(selector)s, state="syn_sent"})
          <= %(connectsUnansweredShare)s * sum without (state) (instance_port_state:netstat_sockets:sum{%(selector)s, state="established"})
      |||,
      'for': config.connectsUnansweredFor,
      keep_firing_for: config.keepFiringFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'Nothing answers when this host connects to a service.',
        description: texts.lines([
          '{{ $value }} outbound {{ $labels.protocol }} connects to port ' + texts.port,
          'from ' + texts.instance + ' have sent their SYN four times or more without an answer.',
        ]),
      },
    },
    {
      record: 'instance_port:netstat_idle_sockets:sum',
      expr: 'sum without (family, keepalive) (max without (port_name, pod) (netstat_idle_sockets{%(selector)s}))',
    },

    // Idle is without data for idle.after, an hour by default. A pool keeps some, and a service for phones or terminals
    // many, but these numbers follow the day. The lowest of 15 minutes is a tenth above the highest of 15 minutes an hour
    // before: one jump keeps that true for 45 minutes, so two hours of it are growth that goes on. Where less than half
    // of the connections are idle, they are no leak.
    {
      alert: 'NetstatIdleConnectionsGrowing',
      expr: |||
        (
          min_over_time(instance_port:netstat_idle_sockets:sum{%(selector)s, port!="other"}[15m]) > %(idleConnectionsGrowingSockets)s
            and
          min_over_time(instance_port:netstat_idle_sockets:sum{%(selector)s}[15m])
            > %(idleConnectionsGrowingFactor)s * max_over_time(instance_port:netstat_idle_sockets:sum{%(selector)s}[15m] offset 1h)
        )
          unless
        instance_port:netstat_idle_sockets:sum{%(selector)s}
          <= %(idleConnectionsGrowingShare)s * sum without (state) (instance_port_state:netstat_sockets:sum{%(selector)s, state="established"})
      |||,
      'for': config.idleConnectionsGrowingFor,
      labels: { severity: config.warningSeverity },
      annotations: {
        summary: 'The number of connections without any traffic keeps growing.',
        description: texts.lines([
          connections,
          'on ' + texts.instance + ' have had no data for long'
          + texts.each(
            'sum(netstat_idle_sockets' + texts.own(service, ['keepalive="no"']) + ') > 0',
            '; {{ .Value }} of them have no keepalive probes, so nothing will notice when their peers are gone'
          ) + '.',
        ]),
      },
    },
  ],
}
