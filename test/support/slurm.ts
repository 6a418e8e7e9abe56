/** A Slurm of shell scripts, which runs the tasks of its job arrays as processes of this machine. */

import { join } from "node:path";

/** Notes beside a queue of files, one a task: "name|job|index|state|reason". */
const SBATCH = `
echo "$*" >> "$FAKE_SLURM/asked"
while [ "\${1#--}" != "$1" ]; do
  case "$1" in
    --job-name=*) name="\${1#*=}" ;;
    --array=*) list="\${1#*=}" ;;
  esac
  shift
done
# From the script come the log and what has to be there for its tasks to be taken.
log="$(sed -n 's/^#SBATCH --output="\\(.*\\)"$/\\1/p' "$1")"
job=$(( $(cat "$FAKE_SLURM/last" 2> /dev/null || echo 99) + 1 ))
echo "$job" > "$FAKE_SLURM/last"
echo "$job"
[ -e "$FAKE_SLURM/at-once" ] && . "$FAKE_SLURM/at-once"
for range in $(echo "\${list%\\%*}" | tr , ' '); do
  for index in $(seq "\${range%-*}" "\${range#*-}"); do
    entry="$FAKE_SLURM/queue/$job-$index"
    if [ -e "$FAKE_SLURM/at-once" ]; then
      cell=$(( $2 + index ))
      if task; then code=0 state=COMPLETED; else code=1 state=FAILED; fi
      echo "$name|$job|$index|$state|None" > "$entry"
      echo "$job ended $code" >> "\${1%/*}/tasks/$cell"
      continue
    fi
    out="$(echo "$log" | sed "s/%x/$name/; s/%a/$index/; s/%%/%/g")"
    echo "$name|$job|$index|PENDING|Resources" > "$entry"
    [ -e "$FAKE_SLURM/held" ] && continue
    (
      echo "$name|$job|$index|RUNNING|None" > "$entry"
      SLURM_ARRAY_JOB_ID=$job SLURM_ARRAY_TASK_ID=$index bash "$@" >> "$out" 2>&1 &&
        state=COMPLETED || state=FAILED
      echo "$name|$job|$index|$state|None" > "$entry"
    ) > /dev/null 2>&1 < /dev/null &
  done
done
`;

const SQUEUE = `
echo "$*" >> "$FAKE_SLURM/squeue-asked"
names=",$(echo "$*" | sed 's/.*--name=//'),"
for entry in "$FAKE_SLURM"/queue/*; do
  [ -e "$entry" ] || continue
  read -r line < "$entry"
  case "$names" in *",\${line%%|*},"*) echo "$line" ;; esac
done
`;

const SCONTROL = `echo "MaxArraySize            = \${FAKE_ARRAY_SIZE:-1001}"`;

export interface FakeSlurm {
  /** For processes that are to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** The command lines that a program of it was given. */
  asked(program: "sbatch" | "squeue"): string[];
  /** Tasks are done by the shell's function `task`, of $cell and $job, when they are submitted. */
  atOnce(task: string): void;
  /** Whether tasks stay in the queue without being begun. */
  hold(isHeld: boolean): void;
  /** As `scancel` leaves the tasks of a job that have not begun. */
  cancel(job: number): void;
}

/** Puts it into a folder. @param size MaxArraySize */
export function fakeSlurm(root: string, size = 1001): FakeSlurm {
  const folder = join(root, "slurm");
  Deno.mkdirSync(join(folder, "queue"), { recursive: true });
  for (
    const [name, text] of Object.entries({ sbatch: SBATCH, squeue: SQUEUE, scontrol: SCONTROL })
  ) {
    Deno.writeTextFileSync(join(folder, name), `#!/bin/bash\n${text}`, { mode: 0o755 });
  }
  return {
    env: {
      PATH: `${folder}:${Deno.env.get("PATH")}`,
      FAKE_SLURM: folder,
      FAKE_ARRAY_SIZE: `${size}`,
    },
    asked: (program) => {
      const name = program === "sbatch" ? "asked" : "squeue-asked";
      return Deno.readTextFileSync(join(folder, name)).trimEnd().split("\n");
    },
    atOnce: (task) => Deno.writeTextFileSync(join(folder, "at-once"), task),
    hold: (isHeld) => {
      if (isHeld) Deno.writeTextFileSync(join(folder, "held"), "");
      else Deno.removeSync(join(folder, "held"));
    },
    cancel: (job) => {
      for (const { name } of Deno.readDirSync(join(folder, "queue"))) {
        if (!name.startsWith(`${job}-`)) continue;
        const path = join(folder, "queue", name);
        const text = Deno.readTextFileSync(path).replace("PENDING", "CANCELLED");
        Deno.writeTextFileSync(path, text);
      }
    },
  };
}
