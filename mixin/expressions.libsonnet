// Fill in expressions: %(selector)s, and each number of _config by its name. Not by std.format, which takes seconds for all.
function(config) (
  // As it is written: std.toString(0.1) is 0.10000000000000001.
  local decimal(number) =
    local billionths = std.floor(number * 1e9 + 0.5);
    if number == std.floor(number) || billionths / 1e9 != number then std.toString(number)
    else std.floor(number) + '.' + std.rstripChars(std.toString(1e9 + billionths % 1e9)[1:], '0');
  local value(key) = if std.isNumber(config[key]) then decimal(config[key]) else config[key];

  local mark = '\u0000';  // jsonnet 0.18 splits at one character only
  local fill(text) =
    local parts = std.split(std.strReplace(text, '%(', mark), mark);
    parts[0] + std.join('', [
      local keyAndRest = std.splitLimit(part, ')', 1);
      value(keyAndRest[0]) + keyAndRest[1][1:]
      for part in parts[1:]
    ]);

  // Where there is no selector, neither a comma nor empty braces remain.
  local tidy(text) = std.strReplace(std.strReplace(std.strReplace(text, '{, ', '{'), ', }', '}'), '{}', '');

  function(text) tidy(fill(text))
)
