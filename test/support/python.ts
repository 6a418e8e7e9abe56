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

/** Runs a program with PyTorch in a folder; returns what it prints. */
export async function runPython(program: string, folder: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(pythonWithTorch!, {
    args: ["-W", "ignore", "-c", program],
    cwd: folder,
    env: { OMP_NUM_THREADS: "1", PYTHONPATH: folder },
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(decoder.decode(stderr));
  return decoder.decode(stdout);
}
