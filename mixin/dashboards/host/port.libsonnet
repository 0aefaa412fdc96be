function(config, panels, labels, dashboard)
  local of(metric, matchers='') = '%s{%sport_name=~"$port_name", %%(sockets)s}' % [metric, matchers];
  dashboard.row('One port: $port_name', 8, [
    dashboard.at(12, panels.graph(
      'Inbound: $port_name',
      'short',
      [panels.line('sum by (protocol, state) (%s) > 0' % of('netstat_sockets', 'direction="inbound", '), '{{protocol}} {{state}}')],
      'Sockets by state where the other side opened the connection, or where a program waits for it.',
      empty='None',
    )),
    dashboard.at(12, panels.graph(
      'Outbound: $port_name',
      'short',
      [panels.line('sum by (protocol, state) (%s) > 0' % of('netstat_sockets', 'direction="outbound", '), '{{protocol}} {{state}}')],
      'Sockets by state where this host opened the connection.',
      empty='None',
    )),
    dashboard.at(12, panels.graph(
      'Waiting for accept(): $port_name',
      'short',
      [
        panels.line('sum(%s)' % of('netstat_accept_queue_length'), 'waiting'),
        panels.line('sum(%s)' % of('netstat_accept_queue_limit'), 'limit'),
      ],
      'Connections in the accept queues, and how many may wait there.',
      empty='Nothing listens',
    )),
    dashboard.at(12, panels.graph(
      'Bytes on their way: $port_name',
      'bytes',
      [
        panels.line('sum by (direction) (%s)' % of('netstat_receive_queue_bytes'), '{{direction}} unread'),
        panels.line('sum by (direction) (%s)' % of('netstat_send_queue_bytes'), '{{direction}} unacknowledged'),
      ],
      'Bytes that a program here has not read, and bytes that the other side has not acknowledged.',
      empty='None',
    )),
  ])
