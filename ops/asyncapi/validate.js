// node validate.js FILE: every diagnostic on a line; exit code 1 where one is an error or a warning.
import { readFile } from "node:fs/promises";
import { Parser } from "@asyncapi/parser";

const diagnostics = await new Parser().validate(await readFile(process.argv[2], "utf8"));
for (const { severity, code, path, message } of diagnostics) {
  console.error(`${["error", "warning", "information", "hint"][severity]}: ${path.join(".")}: ${message} (${code})`);
}
process.exitCode = diagnostics.some(({ severity }) => severity <= 1) ? 1 : 0;
if (process.exitCode === 0) console.log(`${process.argv[2]}: valid`);
