// One host, or some: from top to bottom it answers whether anything is wrong, who leaks, what runs out, who drops, whose
// peers do not answer, who holds the memory, and what the rest is like.
{
  grafanaDashboards+:: {
    local config = $._config,
    local panels = (import 'panels.libsonnet')(config),
    local dashboard = (import 'dashboard.libsonnet')(config),
    local labels = (import 'host/labels.libsonnet')(config, panels),
    local rows = [
      import 'host/wrong.libsonnet',
      import 'host/leaks.libsonnet',
      import 'host/files.libsonnet',
      import 'host/limits.libsonnet',
      import 'host/drops.libsonnet',
      import 'host/peers.libsonnet',
      import 'host/memory.libsonnet',
      import 'host/pods.libsonnet',
      import 'host/traffic.libsonnet',
      import 'host/closed.libsonnet',
      import 'host/port.libsonnet',
      import 'host/exporter.libsonnet',
    ],

    'netstat-host.json': dashboard.build(
      uid=config.hostDashboardUid,
      title='netstat-exporter / Host',
      description="The kernel's sockets of a host: who leaks, since when, what runs out, and what to do.",
      variables=dashboard.hosts + [
        dashboard.choice('netns', 'Pod, container', 'netstat_sockets{%(host)s}', '.*'),
        dashboard.choice('port_name', 'Port', 'netstat_sockets{%(sockets)s}'),
      ],
      annotations=[
        dashboard.alerts(
          'ALERTS{alertname=~"Netstat.+", alertstate="firing", %(host)s}',
          '{{instance}} {{netns}} {{protocol}} {{direction}} {{port}}',
        ),
      ],
      links=[dashboard.link('Fleet', config.fleetDashboardUid)],
      rows=[row(config, panels, labels, dashboard) for row in rows],
    ),
  },
}
