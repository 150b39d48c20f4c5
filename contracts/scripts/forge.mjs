// Runs the forge binary that npm installed for this platform (else the one on the PATH) with the arguments given.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const arch = process.arch === "x64" ? "amd64" : process.arch;
const binary = process.platform === "win32" ? "forge.exe" : "forge";
const installed = join(root, "node_modules", "@foundry-rs", `forge-${process.platform}-${arch}`, "bin", binary);

const forge = existsSync(installed) ? installed : "forge";
const { status, error } = spawnSync(forge, process.argv.slice(2), { cwd: root, stdio: "inherit" });
if (error) {
  console.error(`forge: cannot run ${forge} (${error.code}); run "npm ci" in contracts/ or put forge on the PATH`);
  process.exit(1);
}
process.exit(status ?? 1);
