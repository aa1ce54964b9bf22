// Tables as cfsctl prints them.

export function printTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = titles.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => columns(row[at] ?? ""))),
  );
  const rule = (left: string, fill: string, cross: string, right: string): string =>
    `${left}${widths.map((width) => fill.repeat(width + 2)).join(cross)}${right}\n`;
  const line = (cells: readonly string[]): string =>
    `│${cells.map((cell, at) => ` ${cell}${" ".repeat((widths[at] ?? 0) - columns(cell))} `).join("┆")}│\n`;
  return [
    rule("┌", "─", "┬", "┐"),
    line(titles),
    rule("╞", "═", "╪", "╡"),
    rows.map(line).join(rule("├", "╌", "┼", "┤")),
    rule("└", "─", "┴", "┘"),
  ].join("");
}

function columns(text: string): number {
  return Array.from(text).length;
}
