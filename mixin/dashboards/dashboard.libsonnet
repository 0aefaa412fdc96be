// What every dashboard of ours has: variables, links, marks of alerts, and panels at their places on the grid.
// The format is https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/.
function(config) {
  local columns = 24,
  local source = { type: 'prometheus', uid: '${datasource}' },
  local matchers = (import 'panels.libsonnet')(config).matchers,

  // What is chosen at the top. `all` is what stands for everything: .* also takes series without the label.
  choice(name, label, series, all='.+', of=name):: {
    name: name,
    label: label,
    type: 'query',
    datasource: source,
    query: 'label_values(%s, %s)' % [series % matchers, of],
    refresh: 2,  // when the time range changes
    sort: 1,
    multi: true,
    includeAll: true,
    allValue: all,
    current: { text: ['All'], value: ['$__all'] },
  },

  hosts:: [
    { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' },
    self.choice('cluster', 'Cluster', 'netstat_exporter_build_info{%(own)s}', '.*', of=config.clusterLabel),
    self.choice('job', 'Job', 'netstat_exporter_build_info{%(ofCluster)s}'),
    self.choice('instance', 'Instance', 'netstat_exporter_build_info{%(fleet)s}'),
  ],

  // A mark in every graph where an alert fires.
  alerts(expr, text):: {
    name: 'Alerts',
    enable: true,
    datasource: source,
    expr: expr % matchers,
    step: '60s',
    iconColor: 'red',
    titleFormat: '{{alertname}}',
    textFormat: text,
    tagKeys: 'severity',
  },

  // Another of our dashboards, of the same time.
  link(title, uid):: {
    type: 'link',
    title: title,
    url: '/d/%s?${datasource:queryparam}&${cluster:queryparam}&${job:queryparam}' % uid,
    icon: 'dashboard',
    keepTime: true,
    tags: [],
  },

  row(title, height, panels):: { title: title, height: height, panels: panels },

  // A panel flows to the right of the one before it while the columns last.
  at(width, panel, height=null):: { width: width, height: height, panel: panel },

  local place(state, placed) =
    local wraps = state.x + placed.width > columns;
    local x = if wraps then 0 else state.x;
    local y = if wraps then state.y + state.tallest else state.y;
    local height = if placed.height == null then state.height else placed.height;
    state {
      x: x + placed.width,
      y: y,
      tallest: if wraps then height else std.max(state.tallest, height),
      panels+: [placed.panel { gridPos: { x: x, y: y, w: placed.width, h: height } }],
    },

  local placeRow(state, row) =
    local heading = { type: 'row', title: row.title, collapsed: false, gridPos: { x: 0, y: state.y, w: columns, h: 1 }, panels: [] };
    local begun = { x: 0, y: state.y + 1, height: row.height, tallest: 0, panels: state.panels + [heading] };
    local ended = std.foldl(place, row.panels, begun);
    { y: ended.y + ended.tallest, panels: ended.panels },

  build(uid, title, description, variables, annotations, links, rows, from='now-6h'):: {
    id: null,
    uid: uid,
    title: title,
    description: description,
    tags: config.dashboardTags,
    schemaVersion: 39,
    editable: false,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: from, to: 'now' },
    timezone: 'browser',
    links: links + [
      { type: 'link', title: link[0], url: link[1], icon: link[2], targetBlank: true, tags: [] }
      for link in [['Metrics', config.docsUrl + '/metrics.md', 'doc'], ['Runbooks', config.runbookUrl, 'question']]
    ],
    annotations: { list: annotations },
    templating: { list: variables },
    panels: std.mapWithIndex(
      function(index, panel) panel { id: index + 1 },
      std.foldl(placeRow, rows, { y: 0, panels: [] }).panels,
    ),
  },
}
