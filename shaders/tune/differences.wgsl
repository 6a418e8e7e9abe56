// differing[0] += number of i whose bits a[i] and b[i] differ; counts are whole numbers, so the order
// in which they are added does not matter.
//
// Layout   a, b: arrays of one length; differing [1] (u32), zero at first
// Threads  one invocation an element
// Cost     no arithmetic; a and b read once

const COUNT: u32 = 1024u;

@group(0) @binding(0) var<storage, read> a: array<u32>;
@group(0) @binding(1) var<storage, read> b: array<u32>;
@group(0) @binding(2) var<storage, read_write> differing: array<atomic<u32>>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64u + lane;
  if (i < COUNT && a[i] != b[i]) {
    atomicAdd(&differing[0], 1u);
  }
}
