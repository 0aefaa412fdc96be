// Panels in few words: a stat, a graph over time or a table, without their places on the grid (dashboard.libsonnet).
//
// In an expression %(host)s stands for the matchers of the chosen hosts, %(sockets)s for these and the chosen network
// namespaces, and %(fleet)s for those of series that have no host. `points` is how many are asked for at most, over time. Colours begin at levels: first orange, then red.
function(config, points=null) {
  local panels = self,
  local letters = 'ABCDEFGHIJ',
  local source = { type: 'prometheus', uid: '${datasource}' },

  matchers:: {
    local own = if config.selector == '' then [] else [config.selector],
    own: std.join('', own),
    ofCluster: std.join(', ', own + ['%s=~"$cluster"' % config.clusterLabel]),
    fleet: self.ofCluster + ', job=~"$job"',
    host: self.fleet + ', instance=~"$instance"',
    sockets: self.host + ', netns=~"$netns"',
    cluster: config.clusterLabel,
  },

  // Prometheus renames our label where the target has a label owner of its own.
  owned(expr):: 'label_replace(%s, "owner", "$1", "exported_owner", "(.+)")' % expr,

  levels(orange=null, red=null, normal='green'):: [
    { color: step[0], value: step[1] }
    for step in [[normal, null], ['orange', orange], ['red', red]]
    if step[0] == normal || step[1] != null
  ],

  // Red below a number of seconds that are left.
  secondsLeft(red, normal):: [{ color: 'red', value: null }, { color: normal, value: red }],

  // Text of several lines, as one.
  local trim(text) = std.stripChars(text, ' \n'),
  local joined(text) = std.join(' ', [trim(line) for line in std.split(trim(text), '\n')]),

  local panel(type, title, description, unit, levels) = {
    type: type,
    title: title,
    description: joined(description),
    datasource: source,
    [if points != null && type != 'table' then 'maxDataPoints']: points,
    fieldConfig: {
      defaults: { unit: unit, thresholds: { mode: 'absolute', steps: levels } },
      overrides: [],
    },
  },

  local target(index, expr, legend, instant, format) = {
    refId: letters[index],
    datasource: source,
    expr: joined(expr % panels.matchers),
    legendFormat: legend,
    instant: instant,
    range: !instant,
    format: format,
  },

  // A number with its history behind it. `empty` is shown when there is none now: an old number would mislead.
  stat(title, unit, expr, description, levels=panels.levels(), empty='–'):: panel('stat', title, description, unit, levels) {
    targets: [target(0, '(%s) or vector(NaN)' % joined(expr), '', false, 'time_series')],
    options: {
      colorMode: 'value',
      graphMode: 'area',
      text: { valueSize: 38 },
      reduceOptions: { calcs: ['last'], fields: '', values: false },
    },
    fieldConfig+: {
      defaults+: {
        color: { mode: 'thresholds' },
        min: 0,
        noValue: empty,
        mappings: [{ type: 'special', options: { match: 'null+nan', result: { text: empty, color: 'dark-green', index: 0 } } }],
      },
    },
  },

  // One of the lines of a graph, or many of them.
  line(expr, legend):: { expr: expr, legend: legend },

  // Lines over time. `empty` is what is written where there are none.
  graph(title, unit, lines, description, levels=null, empty=null, signed=false):: panel(
    'timeseries', title, description, unit, if levels == null then panels.levels() else levels
  ) {
    targets: std.mapWithIndex(function(index, line) target(index, line.expr, line.legend, false, 'time_series'), lines),
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true, calcs: [] },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    fieldConfig+: {
      defaults+: {
        color: { mode: 'palette-classic' },
        custom: {
          lineWidth: 2,
          showPoints: 'never',
          spanNulls: false,
          thresholdsStyle: { mode: if levels == null then 'off' else 'dashed' },
        },
        [if empty != null then 'noValue']: empty,
        [if !signed then 'min']: 0,
      },
    },
  },

  // A label as a column of a table. A click on it follows one of its links.
  label(name, header, links=[], colors={}, width=null):: {
    name: name,
    header: header,
    properties:
      (if links == [] then [] else [{ id: 'links', value: links }])
      + (if width == null then [] else [{ id: 'custom.width', value: width }])
      + (if colors == {} then [] else [
           {
             id: 'mappings',
             value: [{ type: 'value', options: { [text]: { color: colors[text] } for text in std.objectFields(colors) } }],
           },
           { id: 'custom.cellOptions', value: { type: 'color-text' } },
         ]),
  },

  // A number as a column of a table; `gauge` draws a bar from 0 to 1 behind it. Without a header it only makes rows.
  number(header, expr, unit=null, levels=null, gauge=false, width=if gauge then 200 else if unit == 'dateTimeFromNow' then 145 else 120):: {
    header: header,
    expr: expr,
    properties:
      (if unit == null then [] else [{ id: 'unit', value: unit }])
      + (if levels == null then [] else [
           { id: 'thresholds', value: { mode: 'absolute', steps: levels } },
           {
             id: 'custom.cellOptions',
             value: if gauge then { type: 'gauge', mode: 'basic', valueDisplayMode: 'text' } else { type: 'color-text' },
           },
         ])
      + (if gauge then [{ id: 'min', value: 0 }, { id: 'max', value: 1 }] else [])
      + [{ id: 'custom.width', value: width }],
  },

  // A row for what has the same labels, as of now. `sort` is the header of what orders them, the largest first.
  table(title, labels, numbers, description, sort=null, descending=true):: panel('table', title, description, 'short', panels.levels(normal='text')) {
    local fields = if std.length(numbers) == 1 then ['Value'] else ['Value #' + letters[index] for index in std.range(0, std.length(numbers) - 1)],
    local hidden = [fields[index] for index in std.range(0, std.length(numbers) - 1) if numbers[index].header == null],
    local order = [label.name for label in labels] + fields,

    targets: std.mapWithIndex(function(index, number) target(index, number.expr, '', true, 'table'), numbers),
    options: {
      showHeader: true,
      cellHeight: 'sm',
      sortBy: if sort == null then [] else [{ displayName: sort, desc: descending }],
    },
    fieldConfig+: {
      defaults+: { custom: { align: 'auto', minWidth: 60 } },
      overrides: [
        { matcher: { id: 'byName', options: column.header }, properties: column.properties }
        for column in labels + numbers
        if column.header != null && column.properties != []
      ],
    },
    transformations: [
      { id: 'merge', options: {} },
      {
        id: 'organize',
        options: {
          excludeByName: { [name]: true for name in ['Time'] + hidden },
          indexByName: { [order[place]]: place for place in std.range(0, std.length(order) - 1) },
          renameByName:
            { [label.name]: label.header for label in labels }
            + { [fields[index]]: numbers[index].header for index in std.range(0, std.length(numbers) - 1) if numbers[index].header != null },
        },
      },
    ],
  },
}
