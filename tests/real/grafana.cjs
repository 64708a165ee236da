// Run Grafana's own code (@grafana/data) on the dashboards: every unit is known, and the table's transformations give
// one row per service, with a name for each column. Reads the dashboards as JSON from stdin, and prints problems.
globalThis.navigator = globalThis.navigator || { languages: ["en-US"], language: "en-US", userAgent: "node" };
const data = require("@grafana/data");

globalThis.window = globalThis;
const dashboards = JSON.parse(require("fs").readFileSync(0, "utf8"));
const known = new Set(data.getValueFormats().flatMap((group) => group.submenu.map((unit) => unit.value)));
const isKnown = (unit) => known.has(unit) || /^(suffix|prefix):/.test(unit);

// The answer of Prometheus to an instant query in the format of a table, for two services of the same name. The own
// account is an empty label, which Prometheus does not have.
const frame = (letter, number) =>
  data.toDataFrame({
    refId: letter,
    fields: [
      { name: "Time", type: "time", values: [1, 1] },
      { name: "region", type: "string", values: ["eu-west-1", "us-east-1"] },
      { name: "ecs_cluster", type: "string", values: ["prod", "prod"] },
      { name: "ecs_service", type: "string", values: ["orders", "orders"] },
      { name: "job", type: "string", values: ["autoscaler", "autoscaler"] },
      { name: `Value #${letter}`, type: "number", values: [number, number + 0.5] },
    ],
  });

const problems = [];
const panels = dashboards.flatMap((dashboard) => dashboard.panels).filter((panel) => panel.type !== "row");
for (const panel of panels) {
  const units = panel.fieldConfig.overrides.flatMap((each) => each.properties).filter((each) => each.id === "unit");
  for (const unit of [panel.fieldConfig.defaults.unit, ...units.map((each) => each.value)]) {
    if (!isKnown(unit)) problems.push(`${panel.title}: Grafana has no unit ${unit}`);
  }
}

data.standardTransformersRegistry.setInit(() =>
  [data.standardTransformers.mergeTransformer, data.standardTransformers.organizeFieldsTransformer,
   data.standardTransformers.filterFieldsByNameTransformer, data.standardTransformers.orderFieldsTransformer,
   data.standardTransformers.renameFieldsTransformer, data.standardTransformers.filterFieldsTransformer]
    .map((each) => ({ id: each.id, name: each.name, transformation: async () => each, editor: undefined }))
);

const tables = panels.filter((panel) => panel.type === "table");
const transformed = (panel) =>
  new Promise((next, error) => {
    const frames = panel.targets.map((target, number) => frame(target.refId, number));
    data.transformDataFrame(panel.transformations, frames).subscribe({ next, error });
  });

async function checkTables() {
  for (const panel of tables) {
    const result = await transformed(panel);
    const names = result.flatMap((each) => each.fields.map((field) => data.getFieldDisplayName(field, each, result)));
    const expected = panel.transformations[1].options.renameByName;
    const missing = Object.values(expected).filter((name) => name !== "account" && !names.includes(name));
    if (missing.length) problems.push(`${panel.title}: no column ${missing.join(", ")}; there are ${names.join(", ")}`);
    if (result.length !== 1 || result[0].length !== 2) problems.push(`${panel.title}: not one row per service`);
    if (names.includes("job") || names.includes("Time")) problems.push(`${panel.title}: job or Time is a column`);
  }
}

// If a table is not transformed, Node ends without the next lines, or with an error: also then it is not 0.
process.exitCode = 1;
checkTables().then(() => {
  process.stdout.write(`${panels.length} panels, ${tables.length} table\n` + problems.map((each) => each + "\n").join(""));
  process.exitCode = problems.length ? 1 : 0;
});
