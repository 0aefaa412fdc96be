// A fleet of a thousand hosts: the worst hosts first, with a link to each. Every query is of recorded series that each host has a
// few of, or of what is not 0, so that all of them together take a few seconds.
{
  grafanaDashboards+:: {
    local config = $._config,
    local panels = (import 'panels.libsonnet')(config, points=100),
    local dashboard = (import 'dashboard.libsonnet')(config),

    local hostLink = {
      title: 'Dashboard of ${__value.text}',
      url: '/d/%s?${datasource:queryparam}&${cluster:queryparam}&${job:queryparam}&var-instance=${__value.text}&${__url_time_range}'
           % config.hostDashboardUid,
    },
    local statusLink = { title: 'Status page of the exporter on ${__value.text}', url: 'http://${__value.text}/', targetBlank: true },
    local cluster = panels.label(config.clusterLabel, 'Cluster'),
    local host = panels.label('instance', 'Host', [hostLink, statusLink]),
    local identity = '%(cluster)s, instance',

    local firing(severity) = 'ALERTS{alertname=~"Netstat.+", alertstate="firing", severity="%s", %%(host)s}' % severity,
    local hostsWith(severity) = 'count(count by (%s) (%s)) or vector(0)' % [identity, firing(severity)],
    local worst(expr, by) = 'topk(20, max by (%s) (%s) > 0)' % [by, expr],
    local worstOverTime(expr) = 'topk(5, max by (%s) (%s) > 0)' % [identity, expr],

    local now = dashboard.row('How is the fleet?', 5, [
      dashboard.at(4, panel)
      for panel in [
        panels.stat('Hosts', 'none', 'count(instance:up:exporters{%(host)s})', 'Hosts whose exporter Prometheus scrapes, or would if it could.'),
        panels.stat(
          'Exporters down',
          'none',
          'count(instance:up:exporters{%(host)s} == 0) or vector(0)',
          'Exporters that Prometheus cannot scrape. Nothing is known of their hosts.',
          panels.levels(red=1),
        ),
        panels.stat(
          'Hosts with critical alerts',
          'none',
          hostsWith(config.criticalSeverity),
          'Hosts on which a critical alert fires.',
          panels.levels(red=1),
        ),
        panels.stat('Hosts with warnings', 'none', hostsWith(config.warningSeverity), 'Hosts on which a warning fires.', panels.levels(1)),
        panels.stat(
          'Hosts that leak',
          'none',
          'count(instance:netstat_stuck_sockets:sum{state="close_wait", %%(host)s} > %d) or vector(0)' % config.closeWaitLeakSockets,
          'Hosts with more than %d connections that are stuck in CLOSE_WAIT, which is more than the idle connections of a pool.' % config.closeWaitLeakSockets,
          panels.levels(1),
        ),
        panels.stat(
          'Stuck connections',
          'short',
          'sum(instance:netstat_stuck_sockets:sum{state="close_wait", %(host)s})',
          'Connections of all hosts that are stuck in CLOSE_WAIT.',
        ),
        panels.stat(
          'Hosts near a limit',
          'none',
          'count(count by (%(cluster)s, instance) (instance_resource:netstat_used:ratio{%(host)s} > 0.8)) or vector(0)',
          'Hosts that use more than 80 % of something that the kernel bounds: files, ports, queues, memory.',
          panels.levels(1),
        ),
        panels.stat(
          'Fullest limit',
          'percentunit',
          'max(instance_resource:netstat_used:ratio{%(host)s})',
          'What the kernel bounds, as a share of its limit, the fullest of all hosts.',
          panels.levels(0.7, 0.9),
        ),
        panels.stat(
          'Connections dropped',
          'cps',
          'sum(instance:netstat_listener_drops:rate5m{%(host)s})',
          'Connections a second that listeners of all hosts dropped.',
          panels.levels(config.acceptQueueOverflowRate, 1),
        ),
        panels.stat('UDP drops', 'pps', 'sum(instance:netstat_udp_drops:rate5m{%(host)s})', 'Datagrams a second that UDP sockets of all hosts dropped.', panels.levels(config.udpDropsRate)),
        panels.stat(
          'Without an answer',
          'short',
          'sum(instance:netstat_unanswered_sockets:sum{%(host)s})',
          'Established connections of all hosts whose peer has not answered three tries in a row.',
        ),
        panels.stat(
          'Exporters with faults',
          'none',
          |||
            count(instance:netstat_exporter_table_success:min{%(host)s} == 0
            or instance:netstat_exporter_collector_success:min{%(host)s} == 0) or vector(0)
          |||,
          'Exporters that cannot read a table of TCP, or of which a collector fails.',
          panels.levels(1),
        ),
      ]
    ]),

    local hosts = dashboard.row('Which hosts are the worst?', 9, [
      dashboard.at(12, panels.table(
        'Hosts by alerts',
        [cluster, host],
        [
          panels.number('Critical', worst('count by (%s) (%s)' % [identity, firing(config.criticalSeverity)], identity), levels=panels.levels(red=1, normal='text')),
          panels.number('Warning', worst('count by (%s) (%s)' % [identity, firing(config.warningSeverity)], identity), levels=panels.levels(1, normal='text')),
        ],
        'Alerts that fire, by host: the 20 hosts with the most critical ones, and the 20 with the most warnings.',
        sort='Critical',
      )),
      dashboard.at(12, panels.table(
        'Nearest to a limit',
        [cluster, host, panels.label('resource', 'What')],
        [panels.number(
          'Used',
          worst('instance_resource:netstat_used:ratio{%(host)s}', identity + ', resource'),
          'percentunit',
          panels.levels(0.7, 0.9),
          gauge=true,
        )],
        |||
          What the kernel bounds, as a share of its limit, the 20 fullest. At 100 % the next open(), connect() or connection of a
          client fails, or the kernel drops a connection.
        |||,
        sort='Used',
      )),
    ]),

    local leaks = dashboard.row('Who leaks?', 9, [
      dashboard.at(12, panels.table(
        'Largest leaks',
        [cluster, host],
        [
          panels.number(
            'Stuck',
            worst('instance:netstat_stuck_sockets:sum{state="close_wait", %(host)s}', identity),
            levels=panels.levels(config.closeWaitLeakSockets + 1, config.closeWaitLeakCriticalSockets + 1, 'text'),
          ),
          panels.number(
            'Since',
            |||
              1000 * (time() - max by (%(cluster)s, instance) (instance:netstat_oldest_socket_age_seconds:max{state="close_wait", %(host)s})
              and on (%(cluster)s, instance) topk(20, max by (%(cluster)s, instance) (instance:netstat_stuck_sockets:sum{state="close_wait", %(host)s}) > 0))
            |||,
            'dateTimeFromNow',
          ),
        ],
        'The 20 hosts with the most connections that are stuck in CLOSE_WAIT, and since when the oldest is. The host has ports and owners.',
        sort='Stuck',
      )),
      dashboard.at(12, panels.table(
        'Services that leak',
        [cluster, panels.label('owner', 'Owner')],
        [panels.number(
          'CLOSE_WAIT',
          worst('sum by (%s, owner) (job_owner_state:netstat_owner_sockets:sum{state="close_wait", %%(fleet)s})' % config.clusterLabel, '%(cluster)s, owner'),
          levels=panels.levels(config.closeWaitLeakSockets + 1, config.closeWaitLeakCriticalSockets + 1, 'text'),
        )],
        'Owners of the connections in CLOSE_WAIT, of all hosts of a job together, whichever instances are chosen.',
        sort='CLOSE_WAIT',
      )),
      dashboard.at(12, panels.graph(
        'Stuck connections by host',
        'short',
        [panels.line(worstOverTime('instance:netstat_stuck_sockets:sum{state="close_wait", %(host)s}'), '{{instance}}')],
        'The five hosts with the most at each moment. A line that climbs and never falls is a leak.',
        empty='None',
      )),
      dashboard.at(12, panels.graph(
        'Oldest CLOSE_WAIT by host',
        's',
        [panels.line(worstOverTime('instance:netstat_oldest_socket_age_seconds:max{state="close_wait", %(host)s}'), '{{instance}}')],
        'How long the oldest connection has been in CLOSE_WAIT, of the five hosts with the oldest at each moment.',
        empty='None',
      )),
    ]),

    local limits = dashboard.row('What runs out?', 9, [
      dashboard.at(12, panels.graph(
        'Fullest of each kind',
        'percentunit',
        [panels.line('max by (resource) (instance_resource:netstat_used:ratio{%(host)s})', '{{resource}}')],
        'What the kernel bounds, as a share of its limit, of the host where it is the fullest.',
        panels.levels(0.7, 0.9),
      )),
      dashboard.at(12, panels.graph(
        'Hosts above 80 %',
        'none',
        [panels.line('count by (resource) (instance_resource:netstat_used:ratio{%(host)s} > 0.8)', '{{resource}}')],
        'Hosts that use more than 80 % of a limit, by what it bounds.',
        empty='None',
      )),
    ]),

    local traffic = dashboard.row('Who drops, and whose peers do not answer?', 9, [
      dashboard.at(8, panels.table(
        'Dropped connections',
        [cluster, host],
        [panels.number('Dropped', worst('instance:netstat_listener_drops:rate5m{%(host)s}', identity), 'cps', panels.levels(config.acceptQueueOverflowRate, 1, 'text'))],
        'Connections a second that listeners dropped, of the 20 hosts with the most.',
        sort='Dropped',
      )),
      dashboard.at(8, panels.table(
        'Dropped datagrams',
        [cluster, host],
        [panels.number('Dropped', worst('instance:netstat_udp_drops:rate5m{%(host)s}', identity), 'pps', panels.levels(config.udpDropsRate, normal='text'))],
        'Datagrams a second that UDP sockets dropped, of the 20 hosts with the most.',
        sort='Dropped',
      )),
      dashboard.at(8, panels.table(
        'Peers that do not answer',
        [cluster, host],
        [panels.number('Connections', worst('instance:netstat_unanswered_sockets:sum{%(host)s}', identity), levels=panels.levels(config.peersVanishedInboundSockets + 1, normal='text'))],
        'Established connections whose peer has not answered three tries in a row, of the 20 hosts with the most.',
        sort='Connections',
      )),
    ]),

    local sockets = dashboard.row('What is the traffic like?', 8, [
      dashboard.at(8, panels.graph(
        'TCP states',
        'short',
        [panels.line('sum by (state) (job_port_state:netstat_sockets:sum{protocol="tcp", %(fleet)s}) > 0', '{{state}}')],
        'Sockets of all hosts of a job together, whichever instances are chosen.',
        empty='None',
      )),
      dashboard.at(8, panels.graph(
        'Connections by port',
        'short',
        [panels.line(
          'topk(10, sum by (direction, port_name) (job_port_state:netstat_sockets:sum{protocol="tcp", state!="listen", %(fleet)s}) > 0)',
          '{{port_name}} {{direction}}',
        )],
        'Those of the ten busiest ports at each moment, of all hosts of a job together, whichever instances are chosen.',
        empty='None',
      )),
      dashboard.at(8, panels.graph(
        'Busiest hosts',
        'short',
        [panels.line(worstOverTime('instance:netstat_sockets:sum{%(host)s}'), '{{instance}}')],
        'Established TCP connections of the five hosts with the most at each moment.',
        empty='None',
      )),
    ]),

    local exporters = dashboard.row('Are the exporters fine?', 8, [
      dashboard.at(12, panels.table(
        'Down',
        [cluster, panels.label('job', 'Job'), host],
        [panels.number(null, 'topk(20, max by (%(cluster)s, job, instance) (instance:up:exporters{%(host)s} == 0))')],
        'Twenty of the exporters that Prometheus cannot scrape.',
      )),
      dashboard.at(12, panels.table(
        'Versions',
        [cluster, panels.label('version', 'Version'), panels.label('python_version', 'Python')],
        [panels.number('Exporters', 'count by (%(cluster)s, version, python_version) (netstat_exporter_build_info{%(host)s})')],
        'How many exporters run which version.',
        sort='Exporters',
      )),
    ]),

    'netstat-fleet.json': dashboard.build(
      uid=config.fleetDashboardUid,
      title='netstat-exporter / Fleet',
      description='All hosts together: which leak, which are near a limit, which drop; the worst first.',
      from='now-3h',
      variables=dashboard.hosts,
      annotations=[
        dashboard.alerts('count by (alertname, severity) (%s)' % firing(config.criticalSeverity), 'critical, somewhere in the fleet'),
      ],
      links=[dashboard.link('Host', config.hostDashboardUid)],
      rows=[now, hosts, leaks, limits, traffic, sockets, exporters],
    ),
  },
}
