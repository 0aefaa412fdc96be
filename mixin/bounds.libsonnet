// What is accepted for each key of _config; problems(config) has a sentence for each that is wrong.
//
// Where an alert looks at a window, its duration is no shorter: the condition holds throughout only if the window is full.
local kinds = import 'kinds.libsonnet';

local bounds = {
  selector: kinds.selector,
  upSelector: kinds.selector,
  clusterLabel: kinds.label,
  docsUrl: kinds.url,
  runbookUrl: kinds.url,
  dashboardTags: kinds.words,
  hostDashboardUid: kinds.uid,
  fleetDashboardUid: kinds.uid,

  criticalSeverity: kinds.word,
  warningSeverity: kinds.word,
  keepFiringFor: kinds.duration('1m', '1d'),

  closeWaitLeakSockets: kinds.number(1, 1000000),
  closeWaitShare: kinds.number(0, 1),
  closeWaitLeakFor: kinds.duration('15m', '1d'),
  closeWaitLeakOpenFilesRatio: kinds.number(0.1, 0.99),
  closeWaitLeakCriticalSockets: kinds.number(1, 1000000),
  closeWaitLeakGrowthShare: kinds.number(0, 1),
  closeWaitLeakGrowthSockets: kinds.number(1, 1000000),
  closeWaitLeakCriticalFor: kinds.duration('15m', '1d'),
  closeWaitGrowingSockets: kinds.number(1, 1000000),
  closeWaitGrowingFor: kinds.duration('50m', '1d'),

  openFilesRunningOutRatio: kinds.number(0.1, 0.99),
  openFilesRunningOutFor: kinds.duration('1m', '1d'),
  openFilesFillingUpRatio: kinds.number(0.05, 0.99),
  openFilesFillingUpFor: kinds.duration('1m', '1d'),

  ephemeralPortsRunningOutRatio: kinds.number(0.1, 0.99),
  ephemeralPortsRunningOutFor: kinds.duration('1m', '1d'),
  ephemeralPortsRunningOutCriticalRatio: kinds.number(0.1, 0.99),
  ephemeralPortsRunningOutCriticalFor: kinds.duration('1m', '1d'),
  ephemeralPortsFillingUpRatio: kinds.number(0.05, 0.99),
  ephemeralPortsFillingUpFor: kinds.duration('1m', '1d'),
  boundPortsRunningOutRatio: kinds.number(0.1, 0.99),
  boundPortsRunningOutFor: kinds.duration('1m', '1d'),
  boundPortsRunningOutCriticalRatio: kinds.number(0.1, 0.99),
  boundPortsRunningOutCriticalFor: kinds.duration('1m', '1d'),
  boundPortsSharing: kinds.number(1.01, 100),

  timeWaitTableFillingRatio: kinds.number(0.05, 0.99),
  timeWaitTableFillingFor: kinds.duration('1m', '1d'),
  timeWaitOverflowRate: kinds.number(0.001, 1000000),
  timeWaitOverflowShare: kinds.number(0, 1),
  timeWaitOverflowFor: kinds.duration('1m', '1d'),

  acceptQueueFillingRatio: kinds.number(0.05, 1),
  acceptQueueFillingConnections: kinds.number(1, 65535),
  acceptQueueFillingFor: kinds.duration('5m', '1d'),
  acceptQueueFillingCriticalRatio: kinds.number(0.05, 1),
  acceptQueueFillingCriticalFor: kinds.duration('5m', '1d'),
  acceptQueueOverflowRate: kinds.number(0.001, 1000000),
  acceptQueueOverflowConnections: kinds.number(1, 1000000000),
  acceptQueueOverflowFor: kinds.duration('1m', '1d'),
  synRecvPileUpSockets: kinds.number(0, 65535),
  synRecvPileUpRatio: kinds.number(0.01, 1),
  synRecvPileUpFor: kinds.duration('5m', '1d'),
  listenerGoneFor: kinds.duration('1m', '50m'),

  peersVanishedSockets: kinds.number(0, 1000000),
  peersVanishedShare: kinds.number(0, 0.99),
  peersVanishedInboundSockets: kinds.number(0, 1000000),
  peersVanishedInboundShare: kinds.number(0, 0.99),
  peersVanishedFor: kinds.duration('1m', '14m'),
  connectsUnansweredSockets: kinds.number(0, 1000000),
  connectsUnansweredShare: kinds.number(0, 100),
  connectsUnansweredFor: kinds.duration('1m', '1d'),
  idleConnectionsGrowingSockets: kinds.number(0, 1000000),
  idleConnectionsGrowingFactor: kinds.number(1, 10),
  idleConnectionsGrowingShare: kinds.number(0, 0.99),
  idleConnectionsGrowingFor: kinds.duration('50m', '1d'),

  orphansNearLimitRatio: kinds.number(0.05, 0.99),
  orphansNearLimitFor: kinds.duration('1m', '1d'),
  tcpMemoryPressureFor: kinds.duration('5m', '1d'),
  tcpMemoryPressureCriticalRatio: kinds.number(0.1, 0.99),
  tcpMemoryPressureCriticalFor: kinds.duration('5m', '1d'),
  memoryAbortsRate: kinds.number(0.001, 1000000),
  memoryAbortsConnections: kinds.number(1, 1000000000),
  memoryAbortsFor: kinds.duration('1m', '1d'),
  memoryAbortsCriticalFor: kinds.duration('1m', '1d'),

  udpDropsRate: kinds.number(0.001, 1000000),
  udpDropsSlowPerMinute: kinds.number(0.01, 1000000),
  udpDropsFor: kinds.duration('15m', '1d'),

  exporterDownFor: kinds.duration('1m', '1d'),
  tableFailingRatio: kinds.number(0.01, 1),
  tableFailingFor: kinds.duration('10m', '1d'),
  collectorFailingRatio: kinds.number(0.01, 1),
  collectorFailingFor: kinds.duration('10m', '1d'),
  snapshotStaleSeconds: kinds.number(1, 86400),
  snapshotStalePasses: kinds.number(1, 1000),
  snapshotStaleFor: kinds.duration('1m', '1d'),
  countsInexactSockets: kinds.number(0, 1000000),
  countsInexactShare: kinds.number(0, 1),
  countsInexactFor: kinds.duration('15m', '1d'),
  configReloadFailedFor: kinds.duration('1m', '1d'),
  socketsUntrackedSockets: kinds.number(0, 1000000000),
  socketsUntrackedFor: kinds.duration('15m', '1d'),
  namespacesUnreadSeconds: kinds.number(60, 86400),
  namespacesUnreadFor: kinds.duration('15m', '1d'),

  newListenerFor: kinds.duration('1m', '50m'),
};

{
  bounds: bounds,

  problems(config)::
    [
      '%s: unknown key; mixin/config.libsonnet has all of them' % key
      for key in std.objectFieldsAll(config)
      if !std.objectHas(bounds, key)
    ]
    + [
      '%s: %s is not %s' % [key, kinds.show(config[key]), bounds[key].expected]
      for key in std.objectFields(bounds)
      if !bounds[key].accepts(config[key])
    ]
    + (if config.selector + config.upSelector == '' then ['upSelector: it is needed, as the selector names no job'] else [])
    + (
      if config.criticalSeverity == config.warningSeverity
      then ['criticalSeverity: it is the same as warningSeverity, so that two alerts would be one']
      else []
    ),
}
