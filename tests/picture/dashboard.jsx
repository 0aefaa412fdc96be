// Draws the dashboard with Grafana's own components from answers that were written down: /answers.json has the dashboard,
// what Prometheus answered to each query, and the time range. What Grafana's application does between the answers and its
// components (units, merging, colours) is done here, as far as our panels need it; alerts are not marked in the graphs.
import "@fontsource/inter/400.css";
import "@fontsource/inter/500.css";
import { createRoot } from "react-dom/client";
import { FieldType, ThemeContext, createTheme, dateTime, getDisplayProcessor, getMinMaxAndDelta, toDataFrame } from "@grafana/data";
import { BigValue, GlobalStyles, PanelChrome, Table, TimeSeries } from "@grafana/ui";

const theme = createTheme({ colors: { mode: "dark" } });
const CELL_PIXELS = 30; // Grafana's own
const GAP_PIXELS = 8;
const WIDTH_PIXELS = 1360;

const line = {
  drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, pointSize: 5, axisPlacement: "auto", axisLabel: "",
  gradientMode: "none", scaleDistribution: { type: "linear" }, stacking: { mode: "none", group: "A" },
  hideFrom: { legend: false, tooltip: false, viz: false }, axisBorderShow: false,
};

/** Gives a field what shows its numbers: a unit, colours, a name. */
function dress(field, config) {
  field.config = config;
  field.display = getDisplayProcessor({ field, theme, timeZone: "utc" });
  field.state = { ...field.state, displayName: config.displayName ?? field.name, scopedVars: {} };
  return field;
}

function name(legend, labels) {
  return legend.replace(/{{\s*(\w+)\s*}}/g, (_, label) => labels[label] ?? "").trim();
}

/** Returns a frame for each series over time, on the same steps, null where there is nothing. */
function makeFrames(panel, range) {
  const { defaults } = panel.fieldConfig;
  const config = { ...defaults, custom: { ...line, ...defaults.custom } };
  const steps = [];
  for (let at = range.start; at <= range.end; at += range.step) steps.push(at);
  const series = panel.targets.flatMap((target) =>
    target.answer.map(({ metric, values }) => ({ legend: name(target.legendFormat, metric), values: new Map(values) })),
  );
  return series.map(({ legend, values }, seriesIndex) => {
    const frame = toDataFrame({
      fields: [
        { name: "Time", type: FieldType.time, values: steps.map((at) => at * 1000) },
        { name: legend, type: FieldType.number, values: steps.map((at) => values.get(at) ?? null) },
      ],
    });
    dress(frame.fields[0], {});
    frame.fields[1].state = { seriesIndex };
    dress(frame.fields[1], { ...config, displayName: legend });
    return frame;
  });
}

/** Returns the one frame of a table: merged by labels and organized as the panel says. */
function makeTable(panel) {
  const { indexByName, renameByName, excludeByName } = panel.transformations[1].options;
  const several = panel.targets.length > 1;
  const rows = new Map();
  const labels = panel.targets.filter(({ answer }) => answer.length).map(({ answer }) => new Set(answer.flatMap(({ metric }) => Object.keys(metric))));
  for (const { refId, answer } of panel.targets) {
    for (const { metric, value } of answer) {
      const common = Object.keys(metric).filter((label) => labels.every((each) => each.has(label)));
      const key = JSON.stringify(common.sort().map((label) => [label, metric[label]]));
      rows.set(key, { ...rows.get(key), ...metric, [several ? `Value #${refId}` : "Value"]: value });
    }
  }
  // A label that nothing has makes no column.
  const names = Object.entries(indexByName)
    .sort(([, one], [, other]) => one - other)
    .map(([each]) => each)
    .filter((each) => !excludeByName[each] && (each.startsWith("Value") || [...rows.values()].some((row) => row[each])));
  const [sort] = panel.options.sortBy;
  const sorted = names.find((each) => renameByName[each] === sort?.displayName);
  const found = [...rows.values()];
  if (sorted) found.sort((one, other) => (one[sorted] ?? -Infinity) < (other[sorted] ?? -Infinity) === sort.desc ? 1 : -1);
  const frame = toDataFrame({
    fields: names.map((each) => ({
      name: each,
      type: each.startsWith("Value") ? FieldType.number : FieldType.string,
      values: found.map((row) => row[each] ?? null),
    })),
  });
  for (const field of frame.fields) {
    const displayName = renameByName[field.name];
    const config = { ...panel.fieldConfig.defaults, custom: { ...panel.fieldConfig.defaults.custom }, displayName };
    for (const { matcher, properties } of panel.fieldConfig.overrides) {
      if (matcher.options !== displayName) continue;
      for (const { id, value } of properties) {
        if (id.startsWith("custom.")) config.custom[id.slice("custom.".length)] = value;
        else config[id] = value;
      }
    }
    if (field.type === FieldType.string) delete config.unit;
    if (config.custom.cellOptions) config.color = { mode: "thresholds" };
    dress(field, config);
    if (config.links) field.getLinks = () => config.links.map(({ title, url }) => ({ title, href: url, target: "_self", origin: field }));
  }
  return frame;
}

function Stat({ panel, range, width, height }) {
  const [{ values: answered }] = panel.targets[0].answer;
  const values = answered.map(([, value]) => value ?? NaN);
  const frame = toDataFrame({
    fields: [
      { name: "Time", type: FieldType.time, values: answered.map(([at]) => at * 1000) },
      { name: "Value", type: FieldType.number, values },
    ],
  });
  const [x, y] = [dress(frame.fields[0], {}), dress(frame.fields[1], panel.fieldConfig.defaults)];
  y.state.range = getMinMaxAndDelta(y);
  const [from, to] = [dateTime(range.start * 1000), dateTime(range.end * 1000)];
  const sparkline = { x, y, timeRange: { from, to, raw: { from, to } } };
  const { colorMode, graphMode, text } = panel.options;
  return (
    <BigValue
      {...{ value: y.display(values.at(-1)), sparkline, theme, colorMode, graphMode, text, width, height }}
      justifyMode="auto" textMode="auto"
    />
  );
}

function Graph({ panel, range, width, height }) {
  const frames = makeFrames(panel, range);
  if (!frames.length) return <Empty panel={panel} />;
  const [from, to] = [dateTime(range.start * 1000), dateTime(range.end * 1000)];
  return (
    <TimeSeries
      frames={frames} structureRev={1} timeRange={{ from, to, raw: { from, to } }} timeZone="utc"
      width={width} height={height} legend={panel.options.legend} options={panel.options}
    />
  );
}

function Rows({ panel, width, height }) {
  const frame = makeTable(panel);
  return frame.length ? <Table data={frame} width={width} height={height} cellHeight="sm" /> : <Empty panel={panel} />;
}

function Empty({ panel }) {
  return <div style={{ margin: "auto", fontSize: 20 }}>{panel.fieldConfig.defaults.noValue ?? "No data"}</div>;
}

const DRAWN = { stat: Stat, timeseries: Graph, table: Rows };

function Placed({ panel, range }) {
  const { x, y, w, h } = panel.gridPos;
  const column = (WIDTH_PIXELS - GAP_PIXELS) / 24;
  const row = CELL_PIXELS + GAP_PIXELS;
  const width = w * column - GAP_PIXELS;
  const height = h * row - GAP_PIXELS;
  const place = { position: "absolute", left: GAP_PIXELS + x * column, top: GAP_PIXELS + y * row, width, height };
  const Drawn = DRAWN[panel.type];
  if (!Drawn) return <h4 style={{ ...place, paddingTop: 4 }}>⌄ {panel.title.replace("$port_name", "All")}</h4>;
  return (
    <div style={place}>
      <PanelChrome title={panel.title.replace("$port_name", "All")} description={panel.description} width={width} height={height}>
        {(innerWidth, innerHeight) => <Drawn panel={panel} range={range} width={innerWidth} height={innerHeight} />}
      </PanelChrome>
    </div>
  );
}

const { dashboard, range } = await (await fetch("/answers.json")).json();
createRoot(document.getElementById("dashboard")).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {dashboard.panels.map((panel) => <Placed key={panel.id} panel={panel} range={range} />)}
  </ThemeContext.Provider>,
);
