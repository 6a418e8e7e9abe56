// y[b] = the column of the largest element of row b; the first one at a tie.
//
// Layout   x [ROWS, COLUMNS], y [ROWS] (u32)
// Threads  one invocation a row: rows are logits, a few to a thousand columns
// Cost     one comparison an element, x read once

const ROWS: u32 = 32u;
const COLUMNS: u32 = 10u;

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<u32>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = (group.x + group.y * groups.x) * 64u + lane;
  if (row >= ROWS) {
    return;
  }
  var best = 0u;
  var largest = x[row * COLUMNS];
  for (var column = 1u; column < COLUMNS; column++) {
    let value = x[row * COLUMNS + column];
    if (value > largest) {
      largest = value;
      best = column;
    }
  }
  y[row] = best;
}
