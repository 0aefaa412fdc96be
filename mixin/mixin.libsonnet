// Alerts, recording rules and dashboards of netstat-exporter, see https://monitoring.mixins.dev/.
local bounds = import 'bounds.libsonnet';

(import 'config.libsonnet') +
{
  local problems = bounds.problems($._config),
  assert problems == [] : std.join('\n', problems),

  // Each file of dashboards/ adds its dashboards by the names of their files.
  grafanaDashboards+:: {},
}
