// What a user of the mixin may change, with its default. bounds.libsonnet has what is accepted for each key.
local kinds = import 'kinds.libsonnet';

{
  _config+:: {
    // Matchers that every metric in every expression gets: job="netstat", cluster=~"prod.*" or the like. Of labels of
    // targets only: a label of a series would leave alerts without anything to look at.
    selector: '',
    // Which of them are netstat-exporter, for `up`, which every target has. Needed unless the selector names jobs.
    // The name of the job is netstat as in scrape.example.yml, or NAMESPACE/netstat-exporter from a PodMonitor.
    upSelector: if kinds.selectsJobs(self.selector) then '' else 'job=~".*netstat.*"',

    // The label that tells clusters apart, in texts and dashboards.
    clusterLabel: 'cluster',

    // Where the documents and the runbooks are; a runbook is NAME.md below it.
    docsUrl: 'https://github.com/netstat-exporter/netstat-exporter/blob/main/docs',
    runbookUrl: self.docsUrl + '/runbooks',

    // The dashboards: tags by which they are found in Grafana, and uids, by which they link to each other.
    dashboardTags: ['netstat-exporter', 'network', 'sockets'],
    hostDashboardUid: 'netstat-host',
    fleetDashboardUid: 'netstat-fleet',

    // Severities, which have to differ.
    // Pages somebody.
    criticalSeverity: 'critical',
    // Opens a ticket.
    warningSeverity: 'warning',

    // How long an alert on a rate or a share goes on firing after its condition has ended, so that it does not flap.
    keepFiringFor: '5m',

    // Leaks.
    // NetstatCloseWaitLeak: more stuck sockets in CLOSE_WAIT than an idle pool of a client has.
    closeWaitLeakSockets: 20,
    // ... and NetstatCloseWaitGrowing: and more than this for each established connection.
    closeWaitShare: 0.01,
    closeWaitLeakFor: '15m',
    // ... critical: an owner has used this share of its file descriptors.
    closeWaitLeakOpenFilesRatio: 0.8,
    // ... or, where that is not known: more sockets than this, which have grown in 45 minutes
    closeWaitLeakCriticalSockets: 500,
    // By this share,
    closeWaitLeakGrowthShare: 0.05,
    // Or by as many sockets.
    closeWaitLeakGrowthSockets: 100,
    closeWaitLeakCriticalFor: '15m',
    // NetstatCloseWaitGrowing: more stuck sockets than this, and their number grows. One jump lasts 45 minutes.
    closeWaitGrowingSockets: 10,
    closeWaitGrowingFor: '1h',

    // Open files: shares of what a process may open.
    // NetstatOpenFilesRunningOut
    openFilesRunningOutRatio: 0.8,
    openFilesRunningOutFor: '5m',
    // NetstatOpenFilesFillingUp: none will be left in four hours, and this share is used now.
    openFilesFillingUpRatio: 0.4,
    openFilesFillingUpFor: '15m',

    // Ephemeral ports: shares of ip_local_port_range.
    // NetstatEphemeralPortsRunningOut: towards one destination.
    ephemeralPortsRunningOutRatio: 0.7,
    ephemeralPortsRunningOutFor: '5m',
    ephemeralPortsRunningOutCriticalRatio: 0.9,
    ephemeralPortsRunningOutCriticalFor: '3m',
    // NetstatEphemeralPortsFillingUp: none will be left in two hours, and this share is used now.
    ephemeralPortsFillingUpRatio: 0.35,
    ephemeralPortsFillingUpFor: '15m',
    // NetstatBoundPortsRunningOut: ports that sockets hold for all destinations; of TCP those of one local address.
    boundPortsRunningOutRatio: 0.7,
    boundPortsRunningOutFor: '5m',
    boundPortsRunningOutCriticalRatio: 0.9,
    boundPortsRunningOutCriticalFor: '3m',
    // ... but not of TCP where so many outbound sockets share each port: they did not call bind().
    boundPortsSharing: 1.5,

    // TIME_WAIT.
    // NetstatTimeWaitTableFilling: share of tcp_max_tw_buckets.
    timeWaitTableFillingRatio: 0.8,
    timeWaitTableFillingFor: '10m',
    // NetstatTimeWaitOverflow: more a second than this,
    timeWaitOverflowRate: 0.1,
    // And more than this share of the connections that enter TIME_WAIT.
    timeWaitOverflowShare: 0.01,
    timeWaitOverflowFor: '10m',

    // Listeners.
    // NetstatAcceptQueueFilling: share of the backlog,
    acceptQueueFillingRatio: 0.5,
    // With at least so many connections.
    acceptQueueFillingConnections: 3,
    acceptQueueFillingFor: '5m',
    acceptQueueFillingCriticalRatio: 1,
    acceptQueueFillingCriticalFor: '5m',
    // NetstatAcceptQueueOverflow: more a second than this,
    acceptQueueOverflowRate: 0.1,
    // And more than one a second for so many established inbound connections.
    acceptQueueOverflowConnections: 10000,
    acceptQueueOverflowFor: '10m',
    // NetstatSynRecvPileUp: more handshakes than scanners leave,
    synRecvPileUpSockets: 20,
    // And than this share of the backlog.
    synRecvPileUpRatio: 0.5,
    synRecvPileUpFor: '5m',
    // NetstatListenerGone: it fires for at most an hour after the listener has gone.
    listenerGoneFor: '5m',

    // Peers.
    // NetstatPeersVanished: more outbound connections without an answer than this,
    peersVanishedSockets: 4,
    // And than this share of all.
    peersVanishedShare: 0.05,
    // ... and inbound.
    peersVanishedInboundSockets: 20,
    peersVanishedInboundShare: 0.5,
    // The kernel gives up after 15 minutes by default.
    peersVanishedFor: '6m',
    // NetstatConnectsUnanswered: more connects than this,
    connectsUnansweredSockets: 4,
    // And than this for each established connection.
    connectsUnansweredShare: 0.2,
    connectsUnansweredFor: '10m',
    // NetstatIdleConnectionsGrowing: more idle connections than this,
    idleConnectionsGrowingSockets: 50,
    // So many times those of an hour before,
    idleConnectionsGrowingFactor: 1.1,
    // And more than this share of all. One jump lasts 45 minutes.
    idleConnectionsGrowingShare: 0.5,
    idleConnectionsGrowingFor: '2h',

    // Memory.
    // NetstatOrphansNearLimit: share of tcp_max_orphans.
    orphansNearLimitRatio: 0.5,
    orphansNearLimitFor: '10m',
    // NetstatTcpMemoryPressure: above the second number of tcp_mem,
    tcpMemoryPressureFor: '5m',
    // Critical: above this share of the third, by default half of the way there.
    tcpMemoryPressureCriticalRatio: 5 / 6,
    tcpMemoryPressureCriticalFor: '5m',
    // NetstatMemoryAborts: more a second than this,
    memoryAbortsRate: 0.05,
    // And more than one a second for so many established connections.
    memoryAbortsConnections: 100000,
    memoryAbortsFor: '5m',
    // Critical: when that was so throughout a quarter of an hour, for this time.
    memoryAbortsCriticalFor: '5m',

    // UDP.
    // NetstatUdpDrops: more datagrams a second than this,
    udpDropsRate: 1,
    // Or more a minute than this where the queue was never empty.
    udpDropsSlowPerMinute: 1,
    udpDropsFor: '15m',

    // The exporter.
    // NetstatExporterDown: longer than a reboot.
    exporterDownFor: '10m',
    // NetstatTableFailing: a table was read in fewer passes of ten minutes than this share.
    tableFailingRatio: 0.5,
    tableFailingFor: '10m',
    // NetstatCollectorFailing, likewise.
    collectorFailingRatio: 0.5,
    collectorFailingFor: '10m',
    // NetstatSnapshotStale: so many seconds
    snapshotStaleSeconds: 60,
    // And passes are missing.
    snapshotStalePasses: 10,
    snapshotStaleFor: '5m',
    // NetstatCountsInexact: sockets more or fewer than the kernel counts,
    countsInexactSockets: 20,
    // And this share of all.
    countsInexactShare: 0.05,
    countsInexactFor: '15m',
    // NetstatConfigReloadFailed
    configReloadFailedFor: '5m',
    // NetstatSocketsUntracked: more than this.
    socketsUntrackedSockets: 0,
    socketsUntrackedFor: '15m',
    // NetstatNamespacesUnread: three times namespaces.max_age.
    namespacesUnreadSeconds: 900,
    namespacesUnreadFor: '15m',

    // Off by default: optional.yml.
    // NetstatNewListener: it fires for an hour.
    newListenerFor: '2m',
  },
}
