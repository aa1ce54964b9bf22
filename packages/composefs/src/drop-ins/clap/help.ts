// Usage and help in the form of clap.

import { type CommandSpec, nameOf, type OptionSpec, shownOperand, shownOption } from "./spec.ts";

/** `Usage: …`: in general, or with the options that a message is about. */
export function usageOf(spec: CommandSpec, used?: readonly OptionSpec[]): string {
  const must = spec.options.filter(({ required }) => required === true);
  const shown = used === undefined ? must : [...new Set([...used, ...must])];
  const more = spec.options.some((each) => each.hidden !== true && each.required !== true);
  const parts = [
    ...(used === undefined && more ? ["[OPTIONS]"] : []),
    ...shown.map(shownOption),
    ...spec.operands.map(shownOperand),
    ...(spec.commands.length > 0 ? ["<COMMAND>"] : []),
  ];
  return `Usage: ${[spec.path, ...parts].join(" ")}`;
}

/** The whole help; the long one has the options' explanations on lines of their own. */
export function helpOf(spec: CommandSpec, long: boolean): string {
  const commands = [
    ...spec.commands.filter(({ hidden }) => hidden !== true).map((each): Row => [nameOf(each), each.about]),
    ...(spec.commands.length > 0 ? [["help", "print this help, or that of a command"] as Row] : []),
  ];
  const operands = spec.operands.map((each): Row => [shownOperand(each), each.help]);
  const options = [
    ...spec.options.filter(({ hidden }) => hidden !== true).map(optionRow),
    ["-h, --help", "print help"] as Row,
    ...(spec.version === undefined ? [] : [["-V, --version", "print the version"] as Row]),
  ];
  const blocks = [
    spec.about,
    usageOf(spec),
    block("Commands", commands, false),
    block("Arguments", operands, long),
    block("Options", options, long),
  ].filter((each) => each !== "");
  return `${blocks.join("\n\n")}\n`;
}

type Row = readonly [what: string, help: string];

function optionRow(option: OptionSpec): Row {
  const short = option.short === undefined ? "    " : `-${option.short}, `;
  const notes = [
    ...(option.default === undefined ? [] : [`[default: ${option.default}]`]),
    ...(option.values === undefined ? [] : [`[possible values: ${option.values.join(", ")}]`]),
  ];
  return [`${short}${shownOption(option)}`, [option.help, ...notes].join(" ")];
}

function block(title: string, rows: readonly Row[], long: boolean): string {
  if (rows.length === 0) return "";
  const width = Math.max(...rows.map(([what]) => what.length));
  const lines = rows.map(([what, help]) =>
    long ? `  ${what}\n          ${help}` : `  ${what.padEnd(width)}  ${help}`,
  );
  return `${title}:\n${lines.join(long ? "\n\n" : "\n")}`;
}
