// Parts of the texts of alerts, as templates of Prometheus, see
// https://prometheus.io/docs/prometheus/latest/configuration/template_reference/.
function(config) {
  local identity = ['job', 'instance', config.clusterLabel, 'region', 'netns'],
  local selector = if config.selector == '' then [] else [config.selector],
  local matchers(labels, others) = '{' + std.join(',', selector + [label + '=%q' for label in labels] + others) + '}',

  // Labels whose values a query takes from the alert: those before each %q.
  local last(parts) = parts[std.length(parts) - 1],
  local labelBefore(part) = std.strReplace(std.split(last(std.split(last(std.split(part, '{')), ',')), '=')[0], '!', ''),
  local labelsOf(query) = local parts = std.split(std.strReplace(query, '%q', '%'), '%'); [labelBefore(part) for part in parts[:std.length(parts) - 1]],
  // A port without a name has its number as its name.
  local valueOf(label) = '$labels.' + (if label == 'port_name' then 'port' else label),
  local ask(query) = 'printf `' + query + '` ' + std.join(' ', std.map(valueOf, labelsOf(query))) + ' | query',

  // What tells the series of this target and network namespace from others, and of these the ones that have the alert's
  // values of some labels. %q of a label that is missing is "", which matches its absence.
  own(labels=[], others=[]):: matchers(identity + labels, others),
  // Enough where a query joins what `own` has selected already.
  joined(labels=[], others=[]):: matchers(['job', 'instance'] + labels, others),
  // By our label owner, which Prometheus renames where the target has one of its own.
  owned(query):: 'label_replace(' + query + ', "owner", "$1", "exported_owner", "(.+)")',

  // A text for each series that a query finds; nothing where it finds none.
  each(query, text):: '{{ range ' + ask(query) + ' }}' + text + '{{ end }}',
  // A list with commas, of $top; `none` where a query finds nothing.
  list(query, text, none):: 
    '{{ range $place, $top := ' + ask(query) + ' }}{{ if $place }}, {{ end }}' + text + '{{ else }}' + none + '{{ end }}',

  instance:: '{{ $labels.instance }}{{ with $labels.' + config.clusterLabel + ' }} (cluster {{ . }}){{ end }}',
  // The host, or a pod or container of it.
  place:: '{{ with $labels.netns }}{{ . }} on {{ end }}' + self.instance,
  inPlace:: '{{ with $labels.netns }}in {{ . }} {{ end }}on ' + self.instance,
  // The port with its name.
  port:: '{{ $labels.port }}' + self.each(
    'count by (port_name) (netstat_sockets' + self.own(['protocol', 'port'], ['port_name!=%q']) + ')', ' ({{ .Labels.port_name }})'
  ),
  listens(verb, metric):: self.each('topk(3, count by (owner) (' + self.owned(metric) + '))', ' {{ .Labels.owner }} ' + verb + ' there.'),
  noneLeftAt:: ' At the pace of the last half hour none is left at {{ with toTime .Value }}{{ .Format "15:04" }}{{ end }} UTC.',

  lines(parts):: std.join(' ', parts),
}
