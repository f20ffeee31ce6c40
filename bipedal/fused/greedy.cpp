// Between two steps of some environments that play an episode each: adds up what the last one led
// to, and chooses greedy actions for the next (episodes.py). The first call only chooses.

struct Plan {
    Network network;
    Normaliser normaliser;
    Int first, end;                  // which environments
    Int playing;                     // how many of them go on; written
    const float* gain;               // (N,) factors of what the last layer gives
    // What the engine says, (N, ...), and where it looks for actions.
    const float* observation;
    const double* reward;
    const bool *terminated, *truncated;
    float* action;
    // Of the episodes, (N,); lengths begin at -1.
    double* episode_return;
    Int* episode_length;
    bool* over;
    // Robots that are noted, and their bodies, joints and contacts in the engine's memory.
    Int recorded;                    // R
    const Int* rows;                 // (R,) environments
    const char *body, *joint, *contact;
    const int* contact_count;
    Int body_size, joint_size, contact_size, contacts;  // bytes of a row, of a contact; in a row
    Int body_offset, touching_offset;                   // in a contact
    char* notes;                     // (T, R, note_size): body, joint, five flags, reward; written
    Int note_size, flags_offset, reward_offset;
};
Plan& todo = *(Plan*)plan;
const Int size = width[0];
const auto copy = [](char* to, const char* from, Int bytes) {
    for (Int i = 0; i < bytes; ++i) to[i] = from[i];
};

for (Int k = 0; k < todo.recorded; ++k) {
    const Int i = todo.rows[k], step = todo.episode_length[i];
    if (i < todo.first || i >= todo.end || step < 0 || todo.over[i]) continue;
    char* note = todo.notes + (step * todo.recorded + k) * todo.note_size;
    char* flags = note + todo.flags_offset;
    copy(note, todo.body + i * todo.body_size, todo.body_size);
    copy(note + todo.body_size, todo.joint + i * todo.joint_size, todo.joint_size);
    *(double*)(note + todo.reward_offset) = todo.reward[i];
    for (Int body = 0; body < 5; ++body) flags[body] = 0;
    for (Int c = 0; c < todo.contact_count[i]; ++c) {
        const char* contact = todo.contact + (i * todo.contacts + c) * todo.contact_size;
        if (*(const int*)(contact + todo.touching_offset) == 1)
            flags[*(const int*)(contact + todo.body_offset)] = 1;
    }
}

if (todo.episode_length[todo.first] < 0) load();
todo.playing = 0;
Int place[BLOCK], rows = 0;
for (Int i = todo.first; i < todo.end; ++i) {
    if (!todo.over[i]) {
        if (todo.episode_length[i] >= 0) {
            todo.episode_return[i] += todo.reward[i];
            todo.over[i] = todo.terminated[i] || todo.truncated[i];
        }
        ++todo.episode_length[i];
    }
    if (!todo.over[i]) {
        normalise(todo.normaliser, todo.observation + i * size, input + rows * size);
        place[rows++] = i;
        ++todo.playing;
    }
    if (rows < BLOCK && i + 1 < todo.end) continue;
    forward(rows);
    for (Int k = 0; k < rows; ++k)
        for (Int a = 0; a < outputs; ++a) {
            const float given = output[last][k * outputs_padded + a];
            todo.action[place[k] * outputs + a] = ::tanhf(todo.gain[place[k]] * given);
        }
    rows = 0;
}
