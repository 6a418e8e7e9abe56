/** PyTorch, where the system has one (Debian's python3-torch): an independent reader and writer. */

/** The first Python that has torch, or undefined. */
export const pythonWithTorch: string | undefined = ["python3", "/usr/bin/python3"].find(
  (python) => {
    try {
      const args = [
        "-c",
        "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)",
      ];
      return new Deno.Command(python, { args, stdout: "null", stderr: "null" }).outputSync()
        .success;
    } catch {
      return false;
    }
  },
);

/** What to add to the name of a test that needs PyTorch, where there is none. */
export const torchNote = pythonWithTorch ? "" : " (skipped: no Python with torch here)";

/** Where programs find the formula of weights and images. */
const REFERENCE = new URL("../reference", import.meta.url).pathname;

/** Runs a program with PyTorch in a folder; returns what it prints. */
export async function runPython(program: string, folder: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(pythonWithTorch!, {
    args: ["-W", "ignore", "-c", program],
    cwd: folder,
    env: {
      OMP_NUM_THREADS: "1",
      PYTHONDONTWRITEBYTECODE: "1",
      PYTHONPATH: `${folder}:${REFERENCE}`,
    },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(decoder.decode(stderr));
  return decoder.decode(stdout);
}

/** What the Python package safetensors does, for systems that have none. */
const SAVE_FILE = `
import json, struct, torch
def save_file(tensors, path, metadata=None):
    kinds = {torch.float32: "F32", torch.float64: "F64", torch.int64: "I64"}
    header, parts, at = {"__metadata__": metadata or {}}, [], 0
    for name, tensor in tensors.items():
        parts.append(tensor.numpy().tobytes())
        begin, at = at, at + len(parts[-1])
        header[name] = {"dtype": kinds[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, at]}
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + b"".join(parts))
`;

/** Puts make_case.py into a folder: the program in models/README.md, as it stands. */
export async function putCaseMaker(folder: string): Promise<void> {
  const source = await Deno.readTextFile(new URL("../../models/README.md", import.meta.url));
  const program = [...source.matchAll(/```python\n([^]*?)```/g)].map(([, block]) => block)
    .find((block) => block.includes("save_file("))!;
  await Deno.writeTextFile(`${folder}/make_case.py`, program);
  await Deno.mkdir(`${folder}/safetensors`);
  await Deno.writeTextFile(`${folder}/safetensors/__init__.py`, "");
  await Deno.writeTextFile(`${folder}/safetensors/torch.py`, SAVE_FILE);
}
