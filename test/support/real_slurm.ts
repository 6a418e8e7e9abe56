/** A cluster of Slurm on this machine: one controller, two nodes, all of it in a folder. */

import { join } from "node:path";
import { fileExists } from "../../engine/io/files.ts";
import { mount } from "./mount.ts";

const PROGRAMS = ["/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd"] as const;
const [MUNGED, SLURMCTLD, SLURMD] = PROGRAMS;

/** Whether Slurm and munge are installed, as Debian's slurm-wlm has them. */
export const hasSlurm = async (): Promise<boolean> =>
  (await Promise.all(PROGRAMS.map(fileExists))).every((is) => is);

export interface Cluster {
  /** For processes that are to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** What a command of Slurm's prints. */
  ask(program: string, ...args: string[]): Promise<string>;
  /** The disk of a node: a folder for Slurm's own files of it. */
  spool(node: string): string;
  /** A node is lost, and with it a task's program, its script and Slurm's own process for it. */
  loseNode(name: string, program: number): Promise<void>;
  stop(): Promise<void>;
}

/** @param diskSize of a file system for Slurm's own files on the node one, where it is to have one */
export async function startCluster(
  root: string,
  diskSize?: string,
): Promise<Cluster> {
  // The daemons refuse a folder that others could write to.
  await Deno.chmod(root, 0o755);
  for (const folder of ["munge", "state", "spool"]) await Deno.mkdir(join(root, folder));
  for (const node of NODES) await Deno.mkdir(join(root, "spool", node));
  if (diskSize !== undefined) mount(join(root, "spool", "one"), diskSize);
  const env = { SLURM_CONF: join(root, "slurm.conf") };
  await Deno.writeFile(
    join(root, "munge", "key"),
    crypto.getRandomValues(new Uint8Array(1024)),
    { mode: 0o400 },
  );
  await Deno.writeTextFile(env.SLURM_CONF, configuration(root));
  const start = (program: string, ...args: string[]): Deno.ChildProcess =>
    new Deno.Command(program, { args, env, stdout: "null", stderr: "null", stdin: "null" }).spawn();
  const at = (name: string) => join(root, "munge", name);
  const daemons = new Map([[
    "munge",
    start(
      MUNGED,
      ...["--foreground", "--force", `--socket=${at("socket")}`, `--key-file=${at("key")}`],
      ...[`--log-file=${at("log")}`, `--pid-file=${at("pid")}`, `--seed-file=${at("seed")}`],
    ),
  ]]);
  await until(() => Deno.stat(at("socket")).then(() => true, () => false));
  daemons.set("controller", start(SLURMCTLD, "-D"));
  for (const node of NODES) daemons.set(node, start(SLURMD, "-D", "-N", node));
  const ask = async (program: string, ...args: string[]) => {
    const { stdout } = await new Deno.Command(program, { args, env, stderr: "null" }).output();
    return new TextDecoder().decode(stdout);
  };
  const kill = (name: string, signal: Deno.Signal) => {
    try {
      daemons.get(name)!.kill(signal);
    } catch { /* it has ended */ }
  };
  const cluster: Cluster = {
    ...{ env, ask },
    spool: (node) => join(root, "spool", node),
    loseNode: async (name, program) => {
      kill(name, "SIGKILL");
      const script = await parentOf(program);
      for (const pid of [await parentOf(script), script, program]) Deno.kill(pid, "SIGKILL");
    },
    stop: async () => {
      for (const name of [...NODES, "controller", "munge"]) {
        kill(name, "SIGTERM");
        await daemons.get(name)!.status;
      }
    },
  };
  const idle = async () => (await ask("sinfo", "-h", "-o", "%T %D")).trim() === "idle 2";
  await until(idle).catch(async (error) => {
    await cluster.stop();
    throw error;
  });
  return cluster;
}

const NODES = ["one", "two"] as const;

function configuration(root: string): string {
  const ports = Array.from({ length: 3 }, freePort);
  const host = Deno.hostname();
  const user = Deno.uid() === 0 ? "root" : Deno.env.get("USER");
  return `
ClusterName=test
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=${user}
SlurmdUser=${user}
AuthType=auth/munge
AuthInfo=socket=${root}/munge/socket
StateSaveLocation=${root}/state
SlurmdSpoolDir=${root}/spool/%n
SlurmctldPidFile=${root}/controller.pid
SlurmdPidFile=${root}/%n.pid
SlurmctldLogFile=${root}/controller.log
SlurmdLogFile=${root}/%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/none
ReturnToService=2
SlurmdTimeout=6
KillWait=2
MaxArraySize=4
${
    NODES.map((node, i) =>
      `NodeName=${node} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${ports[i + 1]} CPUs=2`
    ).join("\n")
  }
PartitionName=all Nodes=${NODES.join(",")} Default=YES MaxTime=INFINITE State=UP
`;
}

/** The process that started another, as Linux tells. */
const parentOf = async (pid: number): Promise<number> =>
  Number(/^PPid:\s*(\d+)$/m.exec(await Deno.readTextFile(`/proc/${pid}/status`))![1]);

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

/** Waits for what takes a moment. */
export async function until(holds: () => Promise<boolean>, seconds = 60): Promise<void> {
  const end = performance.now() + 1000 * seconds;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`in ${seconds} s it did not come to be: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
