// What is accepted for each key of _config. problems(config) is a list of sentences, one for each key that is wrong.
local kinds = import 'kinds.libsonnet';

local bounds = {
  selector: kinds.selector,
  clusterLabel: kinds.label,
  docsUrl: kinds.url,
  runbookUrl: kinds.url,
  dashboardTags: kinds.words,
  hostDashboardUid: kinds.uid,
  fleetDashboardUid: kinds.uid,
};

{
  keys:: std.objectFields(bounds),

  problems(config)::
    ['%s: unknown key; mixin/config.libsonnet has all of them' % key for key in std.setDiff(std.objectFieldsAll(config), self.keys)]
    + [
      '%s: %s is not %s' % [key, std.manifestJsonMinified(config[key]), bounds[key].expected]
      for key in self.keys
      if !bounds[key].accepts(config[key])
    ],
}
