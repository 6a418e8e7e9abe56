// y[i] = a random number in [0, 1), a function of (seed, step, STREAM, i): counter-based, so a
// resumed run draws what an uninterrupted one does. The 24 upper bits of a hashed word, exact in
// float32. `mix` and `hash` are those of engine/random.ts, word for word.
//
// Layout   key [2] or [3] (u32): seed, step, rows before; y [COUNT]
// Threads  one invocation an element of y
// Cost     about 25 integer operations and 4 bytes an element

const COUNT: u32 = 1024u;
const STREAM: u32 = 1u;

// begin operands
@group(0) @binding(0) var<storage, read> key: array<u32>;
fn load_key(i: u32) -> u32 {
  return key[i];
}
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
// end operands

fn mix_(x0: u32) -> u32 {
  var x = x0;
  x = (x ^ (x >> 16u)) * 0x7feb352du;
  x = (x ^ (x >> 15u)) * 0x846ca68bu;
  return x ^ (x >> 16u);
}

fn hash(seed: u32, stream: u32, counter: u32) -> u32 {
  let k1 = mix_(seed + 0x9e3779b9u);
  let k2 = mix_(stream + mix_(k1 + 0x9e3779b9u));
  return mix_(mix_(counter + k1) ^ k2);
}

// begin workgroup_number
// The number of a workgroup: a dispatch of more than fit one dimension goes on in the second.
fn workgroup_number(workgroup: vec3<u32>, workgroups: vec3<u32>) -> u32 {
  return workgroup.x + workgroup.y * workgroups.x;
}
// end workgroup_number

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(num_workgroups) workgroups: vec3<u32>,
  @builtin(local_invocation_index) local: u32,
) {
  let i = workgroup_number(workgroup, workgroups) * 64u + local;
  if (i >= COUNT) {
    return;
  }
  // begin before
  // Numbers that were drawn for other parts of the batch: the rows before these, where the key has them.
  let before = 0u;
  // end before
  let word = hash(hash(load_key(0), STREAM, load_key(1)), STREAM, before + i);
  y[i] = f32(word >> 8u) / 16777216.0;
}
