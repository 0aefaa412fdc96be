// Kinds of values in _config: what is accepted, and what that is called in a message.
local alphabet(characters) = { [character]: true for character in std.stringChars(characters) };
local digits = alphabet('0123456789');
local letters = alphabet('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ');
local ofLabels = letters + digits + alphabet('_');
local ofWords = ofLabels + alphabet('-');

// jsonnet 0.18, which Debian 12 has, knows neither std.all nor std.any.
local isTrueOfAll(values) = !std.member(values, false);
local isMadeOf(value, characters) =
  std.isString(value) && value != '' && isTrueOfAll([character in characters for character in std.stringChars(value)]);
local isWord(value) = isMadeOf(value, ofWords) && value[0] in letters;

// Labels of our series. What has one of them is no selection of targets, and other metrics lack it.
local labelsOfSeries = [
  'collector',
  'direction',
  'exported_owner',
  'exposure',
  'family',
  'implementation',
  'keepalive',
  'kind',
  'namespace',
  'netns',
  'outcome',
  'owner',
  'pod',
  'port',
  'port_name',
  'protocol',
  'python_version',
  'reason',
  'result',
  'revision',
  'source',
  'state',
  'table',
  'version',
  'waiting',
];

local isLabelOfTargets(value) =
  isMadeOf(value, ofLabels)
  && !(value[0] in digits)
  && !std.startsWith(value, '__')
  && !std.member(labelsOfSeries, value);

// The labels of matchers such as job="netstat", cluster=~"prod.*". Where the text is something else, `phase` is not "after".
local readMatchers(text) = std.foldl(
  function(state, character) {
    label:
      if character == ' ' && state.label == '' then state
      else if character == ' ' || character == ',' then state { phase: 'wrong' }
      else if character == '=' || character == '!' then state { phase: 'operator', operator: character }
      else state { label+: character },
    operator:
      if character != '"' then state { operator+: character }
      else if std.member(['=', '!=', '=~', '!~'], state.operator) then state { phase: 'value', labels+: [state.label], label: '' }
      else state { phase: 'wrong' },
    value:
      if character == '"' then state { phase: 'after' }
      else if character == '\\' then state { phase: 'escaped' }
      else if std.member(['`', '%', '\n'], character) then state { phase: 'wrong' }  // texts ask by printf `...`
      else state,
    escaped: state { phase: 'value' },
    after:
      if character == ' ' then state
      else if character == ',' then state { phase: 'label' }
      else state { phase: 'wrong' },
    wrong: state,
  }[state.phase],
  std.stringChars(text),
  { phase: 'label', label: '', operator: '', labels: [] },
);

local isSelector(value) =
  std.isString(value)
  && (
    value == ''
    || local read = readMatchers(value); read.phase == 'after' && isTrueOfAll([isLabelOfTargets(label) for label in read.labels])
  );

local notInAddresses = alphabet(' \n"`{}');

local secondsOf = { s: 1, m: 60, h: 3600, d: 86400 };
local readDuration(value) =
  if std.isString(value)
     && std.length(value) > 1
     && std.objectHas(secondsOf, value[std.length(value) - 1])
     && isMadeOf(value[:std.length(value) - 1], digits)
  then std.parseInt(value[:std.length(value) - 1]) * secondsOf[value[std.length(value) - 1]]
  else null;

{
  selectsJobs(selector):: std.isString(selector) && std.member(readMatchers(selector).labels, 'job'),

  // A value as it is written in YAML; jsonnet 0.18 cannot format 0.
  show(value):: if std.isNumber(value) && value != 0 then '%.12g' % value else std.manifestJsonMinified(value),

  number(low, high):: {
    low: low,
    high: high,
    expected: 'a number from %s to %s' % [$.show(low), $.show(high)],
    accepts(value):: std.isNumber(value) && low <= value && value <= high,
  },

  duration(low, high):: {
    low: low,
    high: high,
    expected: 'a duration from %s to %s, such as 90s, 15m or 1h' % [low, high],
    accepts(value):: local seconds = readDuration(value); seconds != null && readDuration(low) <= seconds && seconds <= readDuration(high),
  },

  word:: { expected: 'a word of letters, digits, - and _ that begins with a letter', accepts:: isWord },
  words:: { expected: 'a list of words', accepts(value):: std.isArray(value) && isTrueOfAll([isWord(word) for word in value]) },
  uid:: { expected: 'a word of at most 40 letters, digits, - and _', accepts(value):: isWord(value) && std.length(value) <= 40 },
  label:: { expected: 'the name of a label of targets', accepts:: isLabelOfTargets },
  selector:: { expected: 'a list of matchers of labels of targets, such as job="netstat", cluster=~"prod.*"', accepts:: isSelector },
  url:: {
    expected: 'an address that begins with https:// or http://, without a slash at its end',
    accepts(value)::
      std.isString(value)
      && (std.startsWith(value, 'https://') || std.startsWith(value, 'http://'))
      && !std.endsWith(value, '/')
      && isTrueOfAll([!(character in notInAddresses) for character in std.stringChars(value)]),
  },
}
