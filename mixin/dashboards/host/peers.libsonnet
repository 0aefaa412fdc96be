function(config, panels, labels, dashboard)
  dashboard.row('Whose peers do not answer?', 8, [
    dashboard.at(12, panels.graph(
      'Connections without an answer',
      'short',
      [panels.line(
        'sum by (direction, port_name, waiting) (netstat_unanswered_sockets{waiting!="handshake", %(host)s}) > 0',
        '{{port_name}} {{direction}} {{waiting}}',
      )],
      |||
        Connections whose peer has not answered three tries in a row, by port and what they wait for. The peer is gone, or
        something on the way drops packets. Inbound, a few are clients that vanished without closing.
      |||,
      empty='Every peer answers',
    )),
    dashboard.at(12, panels.graph(
      'Handshakes without an answer',
      'short',
      [panels.line(
        'sum by (direction, port_name) (netstat_unanswered_sockets{waiting="handshake", %(host)s}) > 0',
        '{{port_name}} {{direction}}',
      )],
      |||
        Outbound, a SYN that was sent four times: nothing is there, or a firewall drops it. Inbound, a client that does not
        complete its handshake.
      |||,
      empty='Every peer answers',
    )),
    dashboard.at(12, panels.graph(
      'Idle connections',
      'short',
      [panels.line(
        'topk(10, sum by (direction, port_name, keepalive) (netstat_idle_sockets{%(host)s}) > 0)',
        '{{port_name}} {{direction}}, keepalive {{keepalive}}',
      )],
      |||
        Established connections without data for an hour (idle.after). A line that only climbs is a program that forgets them.
        Where keepalive is no, nothing notices that a peer is gone.
      |||,
      empty='None',
    )),
    dashboard.at(12, panels.graph(
      'Segments sent again',
      'percentunit',
      [panels.line(
        |||
          rate(netstat_tcp_segments_retransmitted_total{%(host)s}[$__rate_interval])
          / rate(netstat_tcp_segments_sent_total{%(host)s}[$__rate_interval])
        |||,
        '{{instance}}',
      )],
      'The share of TCP segments that were not acknowledged in time, of each host. Above a few percent the network loses packets.',
    )),
  ])
