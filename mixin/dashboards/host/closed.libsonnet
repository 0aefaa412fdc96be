function(config, panels, labels, dashboard)
  local unless = 'None, or not measured (closed_connections.enabled)';
  local rate(metric) = 'sum by (direction, port_name) (rate(netstat_connections_closed_%s{%%(host)s}[$__rate_interval]))' % metric;
  dashboard.row('What do connections carry, and what is lost on the way?', 8, [
    dashboard.at(12, panels.graph(
      'Connections closed',
      'cps',
      [panels.line('topk(10, %s > 0)' % rate('total'), '{{port_name}} {{direction}}')],
      'Connections a second that were established and have ended, short ones included, which no pass sees: the ten busiest ports.',
      empty=unless,
    )),
    dashboard.at(12, panels.graph(
      'Segments sent again by port',
      'percentunit',
      [panels.line(
        'topk(10, %(again)s / (%(again)s + %(sent)s > 0))' % {
          again: rate('retransmitted_segments_total'),
          sent: rate('sent_segments_total'),
        },
        '{{port_name}} {{direction}}',
      )],
      'The share of segments that closed connections had sent again because they were not acknowledged: the network to their peers loses packets.',
      empty=unless,
    )),
    dashboard.at(12, panels.graph(
      'Bytes sent by port',
      'Bps',
      [panels.line('topk(10, %s > 0)' % rate('sent_bytes_total'), '{{port_name}} {{direction}}')],
      'Bytes a second that closed connections had sent. A long connection counts when it ends.',
      empty=unless,
    )),
    dashboard.at(12, panels.graph(
      'Bytes received by port',
      'Bps',
      [panels.line('topk(10, %s > 0)' % rate('received_bytes_total'), '{{port_name}} {{direction}}')],
      'Bytes a second that closed connections had received. A long connection counts when it ends.',
      empty=unless,
    )),
  ])
