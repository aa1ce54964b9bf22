import { type CellResult, type RunReport, totals, totalsLine } from "../verdict.ts";

const text = (value: string): string =>
  value.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const STYLE = `body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3rem .6rem;text-align:left;vertical-align:top}
.pass{background:#d9f2dd}.fail{background:#f8d0cf}.skipped,.unsupported{background:#eee;color:#555}
pre{white-space:pre-wrap;margin:.3rem 0}summary{cursor:pointer}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}.pass{background:#174d22}.fail{background:#6d1f1d}.skipped,.unsupported{background:#333;color:#aaa}td,th{border-color:#444}}`;

function cellHtml(cell: CellResult): string {
  const { verdict } = cell;
  const why =
    verdict.kind === "fail"
      ? (verdict.stack ?? verdict.message)
      : verdict.kind === "skipped"
        ? verdict.reason
        : verdict.kind === "unsupported"
          ? `${verdict.code}: ${verdict.message}`
          : "";
  const steps = cell.steps.map((step) => `<li>${text(step)}</li>`).join("");
  const again = `harness run --id '${cell.id}' --fs ${cell.filesystem} --seed ${/\d+/.exec(cell.notes[0] ?? "")?.[0] ?? "1"}`;
  return `<td class="${verdict.kind}"><details><summary>${verdict.kind} ${Math.round(cell.ms)} ms</summary>${why === "" ? "" : `<pre>${text(why)}</pre>`}<ol>${steps}</ol><pre>${text(cell.notes.join("\n"))}\n${text(again)}</pre></details></td>`;
}

/** One page that needs nothing else: the matrix as a grid, each cell opening to its steps, notes and the command to run it again. */
export function html(report: RunReport): string {
  const kinds = [...new Set(report.cells.map((cell) => cell.filesystem))];
  const ids = [...new Set(report.cells.map((cell) => cell.id))];
  const rows = ids.map((id) => {
    const own = report.cells.filter((cell) => cell.id === id);
    const columns = kinds.map((kind) => {
      const here = own.filter((cell) => cell.filesystem === kind);
      // Of several seeds the worst is shown.
      const shown = here.find((cell) => cell.verdict.kind === "fail") ?? here[0];
      return shown ? cellHtml(shown) : "<td></td>";
    });
    return `<tr><th>${text(id)}<br><small>${text(own[0]?.title ?? "")}</small></th>${columns.join("")}</tr>`;
  });
  const peers = Object.entries(report.peers).map(([name, version]) => `${name} ${version}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Conformance run</title><style>${STYLE}</style></head><body>
<h1>Conformance run</h1>
<p><strong>${totalsLine(totals(report.cells))}</strong>; matrix ${text(report.matrix)}, seed ${report.seed}, ${text(report.startedAt)}</p>
<p>${text(report.machine)}</p>
<table><thead><tr><th></th>${kinds.map((kind) => `<th>${text(kind)}</th>`).join("")}</tr></thead><tbody>
${rows.join("\n")}
</tbody></table>
<details><summary>Peers</summary><p>${text(peers.join(", "))}</p></details>
</body></html>
`;
}
