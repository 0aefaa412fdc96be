// What a user of the mixin may change, with its default. bounds.libsonnet has what is accepted for each key.
{
  _config+:: {
    // Matchers that every metric in every expression gets: job="netstat", cluster=~"prod.*" or the like. Of labels of
    // targets only: a label of a series would leave alerts without anything to look at.
    selector: '',

    // The label that tells clusters apart, in texts and dashboards.
    clusterLabel: 'cluster',

    // Where the documents and the runbooks are; a runbook is NAME.md below it.
    docsUrl: 'https://github.com/netstat-exporter/netstat-exporter/blob/main/docs',
    runbookUrl: self.docsUrl + '/runbooks',

    // The dashboards: tags by which they are found in Grafana, and uids, by which they link to each other.
    dashboardTags: ['netstat-exporter', 'network', 'sockets'],
    hostDashboardUid: 'netstat-host',
    fleetDashboardUid: 'netstat-fleet',
  },
}
