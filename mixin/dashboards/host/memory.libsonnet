function(config, panels, labels, dashboard)
  dashboard.row('Who holds the memory?', 8, [
    dashboard.at(12, panels.graph(
      'TCP memory and its limits',
      'bytes',
      [
        panels.line('netstat_tcp_memory_bytes{%(host)s}', '{{instance}} in use'),
        panels.line('netstat_tcp_memory_pressure_bytes{%(host)s}', '{{instance}} pressure'),
        panels.line('netstat_tcp_memory_limit_bytes{%(host)s}', '{{instance}} limit'),
      ],
      |||
        Memory of the whole host's TCP buffers. Above pressure the kernel shrinks the buffers of every connection; at the limit
        it resets connections.
      |||,
    )),
    dashboard.at(12, panels.graph(
      "Who holds TCP's memory",
      'bytes',
      [panels.line(
        'topk(10, sum by (direction, port_name, owner) (%s) > 0)' % panels.owned('netstat_owner_socket_memory_bytes{%(host)s}'),
        '{{port_name}} {{direction}} of {{owner}}',
      )],
      |||
        Kernel memory of the sockets of each service, by owner, the ten largest. It is asked for while TCP uses more than half of
        what pressure is, or always with memory.when.
      |||,
      empty='There is enough',
    )),
    dashboard.at(12, panels.graph(
      "What TCP's memory is for",
      'bytes',
      [panels.line(
        'topk(10, sum by (direction, port_name, kind) (netstat_socket_memory_bytes{%(host)s}) > 0)',
        '{{port_name}} {{direction}} {{kind}}',
      )],
      |||
        The same by kind. Receive is what programs here do not read, send what peers do not take, forward allocated is reserved,
        backlog came while a program used the socket.
      |||,
      empty='There is enough',
    )),
    dashboard.at(12, panels.graph(
      'Bytes on their way',
      'bytes',
      [
        panels.line('topk(5, sum by (direction, port_name) (netstat_receive_queue_bytes{%(host)s}) > 0)', '{{port_name}} {{direction}} unread'),
        panels.line('topk(5, sum by (direction, port_name) (netstat_send_queue_bytes{%(host)s}) > 0)', '{{port_name}} {{direction}} unacknowledged'),
      ],
      |||
        Unread are bytes that a program here has not read yet, unacknowledged those that the other side has not confirmed. One
        that stays high is who is slow.
      |||,
      empty='None',
    )),
  ])
