// Compiles the contracts and writes the artifacts that ship with the Python package; with --check compares instead.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import solc from "solc";

const ROOT = dirname(fileURLToPath(import.meta.url));
const ARTIFACTS = join(ROOT, "..", "src", "idml", "ledger", "artifacts");
const CONTRACTS = ["IDML", "IDMLToken"];
const CHECK = process.argv.includes("--check");
const MAX_RUNTIME_BYTES = 24_576; // EIP-170

// The same settings as in foundry.toml. Without a metadata hash the output depends on nothing but the code.
const SETTINGS = {
  evmVersion: "shanghai",
  viaIR: true,
  optimizer: { enabled: true, runs: 1000 },
  metadata: { bytecodeHash: "none" },
  outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
};

/** Finds an import: `@...` among the npm packages, everything else in this directory. */
function findImport(path) {
  try {
    return { contents: readFileSync(join(ROOT, path.startsWith("@") ? "node_modules" : "", path), "utf8") };
  } catch (error) {
    return { error: error.message };
  }
}

/** Compiles all contracts; returns a map from contract name to the text of its artifact. */
function compile() {
  const sources = Object.fromEntries(
    CONTRACTS.map((name) => [`src/${name}.sol`, { content: readFileSync(join(ROOT, "src", `${name}.sol`), "utf8") }]),
  );
  const input = JSON.stringify({ language: "Solidity", sources, settings: SETTINGS });
  const output = JSON.parse(solc.compile(input, { import: findImport }));
  const errors = (output.errors ?? []).filter(({ severity }) => severity === "error");
  if (errors.length > 0) fail(errors.map(({ formattedMessage }) => formattedMessage).join("\n"));

  // The desk's half of IDML is reached through the fallback, so the whole face is the interface and what deploys it.
  const face = output.contracts["src/interfaces/IIDML.sol"].IIDML.abi;
  const { IDML } = output.contracts["src/IDML.sol"];
  const { Desk } = output.contracts["src/Desk.sol"];
  refuseIfTooLarge("Desk", Desk);
  const own = [...IDML.abi, ...Desk.abi].filter((entry) => !face.some(sameAs(entry)) && entry.type !== "fallback");
  IDML.abi = [...own.filter((entry, i) => !own.slice(0, i).some(sameAs(entry))), ...face];

  return new Map(CONTRACTS.map((name) => [name, artifact(name, output.contracts[`src/${name}.sol`][name])]));
}

/** Whether two entries of an interface are one and the same. */
function sameAs(entry) {
  return (other) => JSON.stringify([other.type, other.name, other.inputs]) === JSON.stringify([entry.type, entry.name, entry.inputs]);
}

function refuseIfTooLarge(contractName, { evm }) {
  const size = evm.deployedBytecode.object.length / 2;
  if (size > MAX_RUNTIME_BYTES) fail(`${contractName} has ${size} bytes of code; chains accept ${MAX_RUNTIME_BYTES}`);
  if (!CHECK) console.log(`${contractName}: ${size} bytes of code`);
}

/** Returns the text of one artifact; refuses code that no chain accepts. */
function artifact(contractName, { abi, evm }) {
  refuseIfTooLarge(contractName, { evm });
  const bytecode = `0x${evm.bytecode.object}`;
  return `${JSON.stringify({ contractName, compiler: solc.version(), abi, bytecode }, null, 1)}\n`;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

function read(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

const artifacts = compile();
if (CHECK) {
  const stale = [...artifacts].filter(([name, text]) => read(join(ARTIFACTS, `${name}.json`)) !== text);
  const names = stale.map(([name]) => `${name}.json`).join(", ");
  if (stale.length > 0) fail(`${names}: not what contracts/src compiles to; run "npm run build" in contracts/`);
} else {
  mkdirSync(ARTIFACTS, { recursive: true });
  for (const [name, text] of artifacts) writeFileSync(join(ARTIFACTS, `${name}.json`), text);
}
