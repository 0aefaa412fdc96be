// Alerts, recording rules and dashboards of netstat-exporter, see https://monitoring.mixins.dev/.
local bounds = import 'bounds.libsonnet';
local expressions = import 'expressions.libsonnet';

(import 'config.libsonnet')
+ (import 'dashboards/host.libsonnet')
+ (import 'dashboards/fleet.libsonnet')
+ {
  local config = $._config,
  local problems = bounds.problems(config),
  assert problems == [] : std.join('\n', problems),

  local texts = (import 'texts.libsonnet')(config),
  local fill = expressions(config),
  local finish(rule) = rule { expr: fill(super.expr) } + (
    if 'alert' in rule then { annotations+: { runbook_url: config.runbookUrl + '/' + rule.alert + '.md' } } else {}
  ),
  local build(groups) = [group { rules: std.map(finish, super.rules) } for group in groups],

  // Alerts, with the series that they rest on: a group is evaluated in its order, so an alert sees what was recorded at its
  // moment. Each has a runbook in docs/runbooks.
  //
  // Identity: an alert is about instance, job, protocol and port, and keeps every other label of its target (cluster, region,
  // ...): vectors are matched by ignoring() and aggregated by without(). Three labels are dropped, because they change while
  // nothing happens to a socket: pod (a rollout of the exporter), port_name (a reload that names a port), family (a service
  // that moves from IPv4 to IPv6). The recorded series do that, so a window over one of them survives a rollout and a reload.
  //
  // netns belongs to the identity as well: it names another network namespace of the host, and is empty for the host's own.
  // With it, namespace and pod are those whose sockets are counted, and pod stays in the recorded series of leaks. What is
  // about the exporter has neither, so it is matched by ignoring(netns, namespace, pod).
  //
  // Windows: a condition holds throughout a window only if the window is full. `for` as long as the window, or a value at
  // `offset`, proves that. port="other" holds changing ports, so nothing compares it with earlier.
  //
  // Floors: a counter must grow at a rate that matters and at a share that matters. `unless ... <=` applies a share only
  // where it is known.
  //
  // Severity: critical pages somebody, warning opens a ticket. alertmanager.example.yml silences what follows from a worse alert.
  prometheusAlerts+:: {
    groups+: build([
      group(config, texts)
      for group in [
        import 'alerts/leaks.libsonnet',
        import 'alerts/open_files.libsonnet',
        import 'alerts/ephemeral_ports.libsonnet',
        import 'alerts/time_wait.libsonnet',
        import 'alerts/listeners.libsonnet',
        import 'alerts/peers.libsonnet',
        import 'alerts/memory.libsonnet',
        import 'alerts/udp.libsonnet',
        import 'alerts/exporter.libsonnet',
      ]
    ]),
  },

  // Off by default: add their groups to those of prometheusAlerts where they are wanted.
  prometheusOptionalAlerts+:: {
    groups+: build([(import 'alerts/optional.libsonnet')(config, texts)]),
  },

  prometheusRules+:: {
    groups+: build([import 'rules/fleet.libsonnet', import 'rules/hosts.libsonnet']),
  },

  // Each file of dashboards/ adds its dashboards by the names of their files.
  grafanaDashboards+:: {},
}
