function(config, panels, labels, dashboard)
  local owned = 'sum by (instance, netns, owner, direction, port_name) (%s) > 0'
                % panels.owned('netstat_owner_sockets{state="close_wait", %(sockets)s}');

  dashboard.row('Who leaks?', 8, [
    dashboard.at(24, panels.table(
      'Leaks by owner',
      [labels.host, labels.place, labels.owner, labels.direction, labels.port],
      [
        panels.number(
          'CLOSE_WAIT',
          owned,
          levels=panels.levels(config.closeWaitLeakSockets + 1, config.closeWaitLeakCriticalSockets + 1, 'text'),
        ),
        panels.number(
          'Since',
          |||
            (%s) * 0 + on (instance, netns, direction, port_name) group_left ()
            (1000 * (time() - max by (instance, netns, direction, port_name)
            (netstat_oldest_socket_age_seconds{state="close_wait", %%(sockets)s} > 0)))
          ||| % owned,
          'dateTimeFromNow',
        ),
        panels.number(
          'No file left in',
          |||
            (%s) * 0 + on (instance, netns, owner) group_left () (min by (instance, netns, owner) (%s) < 604800)
          ||| % [owned, panels.owned(|||
            (netstat_owner_open_files_limit{%(host)s} - netstat_owner_open_files{%(host)s})
            / (deriv(netstat_owner_open_files{%(host)s}[$__rate_interval]) > 0)
          |||)],
          's',
          panels.secondsLeft(14400, 'text'),
        ),
      ],
      |||
        Whose the connections in CLOSE_WAIT are: the systemd unit, container or program that has to be fixed. Since is when the
        oldest of the port came into the state, as far as the exporter knows. No file left in is the time until the owner can open
        no more, at the pace of this moment.
      |||,
      sort='CLOSE_WAIT',
    )),
    dashboard.at(24, panels.table(
      'Leaks by port',
      [labels.host, labels.place, labels.direction, labels.port],
      [
        panels.number('CLOSE_WAIT', 'sum by (instance, netns, direction, port_name) (netstat_sockets{state="close_wait", %(sockets)s}) > 0'),
        panels.number(
          'Stuck',
          'sum by (instance, netns, direction, port_name) (netstat_stuck_sockets{state="close_wait", %(sockets)s}) > 0',
          levels=panels.levels(config.closeWaitLeakSockets + 1, config.closeWaitLeakCriticalSockets + 1, 'text'),
        ),
        panels.number(
          'Since',
          |||
            1000 * (time() - max by (instance, netns, direction, port_name)
            (netstat_oldest_socket_age_seconds{state="close_wait", %(sockets)s} > 0))
          |||,
          'dateTimeFromNow',
        ),
      ],
      |||
        Connections that the other side has closed and a process here has not. CLOSE_WAIT has no timeout: only that process can
        end it. Stuck are those older than ages.stuck_after, a minute by default. Since is when the oldest
        came into the state, as far as the exporter knows.
      |||,
      sort='Stuck',
    )),
    dashboard.at(12, panels.graph(
      'CLOSE_WAIT by owner',
      'short',
      [panels.line('sum by (owner) (%s) > 0' % panels.owned('netstat_owner_sockets{state="close_wait", %(sockets)s}'), '{{owner}}')],
      'The same connections by who owns them.',
      empty='None',
    )),
    dashboard.at(12, panels.graph(
      'CLOSE_WAIT by port',
      'short',
      [panels.line(
        'sum by (netns, direction, port_name) (netstat_sockets{state="close_wait", %(sockets)s}) > 0',
        '{{port_name}} {{direction}} {{netns}}',
      )],
      'A line that climbs and never falls is a leak; one that comes and goes is a program that is slow to close.',
      empty='None',
    )),
    dashboard.at(24, panels.graph(
      'Age of the oldest CLOSE_WAIT',
      's',
      [panels.line(
        'max by (netns, direction, port_name) (netstat_oldest_socket_age_seconds{state="close_wait", %(sockets)s}) > 0',
        '{{port_name}} {{direction}} {{netns}}',
      )],
      |||
        It climbs steadily while a connection stays, and falls when it is closed. An age begins when the exporter
        first sees the connection in that state.
      |||,
      empty='None',
    )),
  ])
