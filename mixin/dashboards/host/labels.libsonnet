// Columns that several tables of the host's dashboard have, with where a click on them leads.
function(config, panels) {
  local here = '/d/%s?${datasource:queryparam}&${cluster:queryparam}&${job:queryparam}&${instance:queryparam}' % config.hostDashboardUid,

  host: panels.label('instance', 'Host', [
    { title: 'Status page of the exporter on ${__value.text}', url: 'http://${__value.text}/', targetBlank: true },
    {
      title: 'Only this host',
      url: '/d/%s?${datasource:queryparam}&${cluster:queryparam}&${job:queryparam}&var-instance=${__value.text}&${__url_time_range}'
           % config.hostDashboardUid,
    },
  ]),
  place: panels.label('netns', 'Pod, container', [
    { title: 'Only this pod or container', url: here + '&var-netns=${__value.text}&${__url_time_range}' },
  ]),
  owner: panels.label('owner', 'Owner'),
  direction: panels.label('direction', 'Direction', width=95),
  protocol: panels.label('protocol', 'Protocol', width=80),
  port: panels.label('port_name', 'Port', [
    {
      title: 'Show this port below',
      url: here + '&${netns:queryparam}&var-port_name=${__value.text}&${__url_time_range}',
    },
  ]),
}
