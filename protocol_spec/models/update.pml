/* Update and return (HX3-OTA-03 to HX3-OTA-17): does a device ever run what was not verified, can it lose the
 * version that works, and does an update end?
 *
 * A version is its release number; the device begins with 1, the cloud offers 2 and later LAST. Whether a new
 * version works (reaches the cloud) is anybody's guess. Durable: both slots, and one record that is written
 * atomically (which slot starts, which is good, the trial, the floor, the count of failed trials). Answers of the
 * cloud are lost, doubled, reordered, kept back and forged; a download may end in anything; the power is cut
 * between any two steps.
 * Abstracted: times (a trial ends by itself at any moment), signatures (a forged answer is marked as one, and
 * what does not verify is JUNK), boot.py (what chooses the slot at a start, and is never updated).
 *
 * With FAULTS undefined the world may fail for ever; with FAULTS=n it fails n times in all: that is for
 * always_ends. WRONG_… put a mistake into the model, which the check must find.
 */
#ifndef LAST
#define LAST 3
#endif
#define JUNK 100
#define NOTHING 0
#define TRIALS 3

mtype = { none, fresh, started, returned };                 /* of a trial */
mtype = { boot, idle, asking, emptying, writing, reading, switching };  /* what the device is at */

byte slot[2] = 1;                                           /* what lies in each */
byte starts = 0, good = 0;                                  /* slots: the one that starts, the one that works */
mtype trial = none;
byte highest_good = 1, failed = 0, tried = 1;                      /* tried: the release that `failed` counts for */

mtype phase = boot;                                         /* from here on it is lost with the power */
byte runs = NOTHING, target = NOTHING;

bool works2, works3;                                        /* whether the new versions do */
bool ran_unverified = false, rolled_back = false;

/* On the way: a question, an answer, and an answer that somebody keeps and sends whenever he likes. What a nonce
 * does is told by `fresh_…`: whether it answers the question that the device asked last. */
bool asked = false;
byte answer = NOTHING, kept = 1, offered = 2;
bool fresh_answer, genuine, fresh_kept;

#define WORKS(v) ((v) == 1 || ((v) == 2 && works2) || ((v) == 3 && works3))
#define OTHER (1 - good)
#define IN_TRIAL (starts != good)

#ifdef FAULTS
byte faults = FAULTS;
#define MAY (faults > 0)
#define FAIL faults--
#else
#define MAY true
#define FAIL skip
#endif

proctype Device() {
  do
  :: atomic { phase == boot ->                              /* boot.py, before anything of the application */
       if
#ifndef WRONG_BOOT
       :: IN_TRIAL && trial == started -> starts = good; trial = returned
#endif
       :: IN_TRIAL && trial == fresh -> trial = started
       :: else
       fi;
       runs = slot[starts];
       ran_unverified = ran_unverified || runs == JUNK || runs == NOTHING;
       phase = idle }
  /* the trial */
  :: atomic { phase == idle && IN_TRIAL && WORKS(runs) ->   /* an authenticated round trip under this version */
       good = starts; rolled_back = rolled_back || runs < highest_good; highest_good = runs; trial = none; failed = 0 }
#ifdef WRONG_MARK
  :: atomic { phase == idle && IN_TRIAL -> good = starts; highest_good = runs; trial = none; failed = 0 }
#endif
  :: atomic { phase == idle && IN_TRIAL && !WORKS(runs) -> phase = boot }    /* its time is over: start anew */
  :: atomic { MAY && phase == idle && IN_TRIAL -> FAIL; phase = boot }       /* the cloud was away meanwhile */
  /* after a return */
  :: atomic { phase == idle && !IN_TRIAL && trial == returned ->             /* the old version reaches the cloud */
#ifndef WRONG_COUNT
       failed++;
#endif
       trial = none }
  :: atomic { MAY && phase == idle && !IN_TRIAL && trial == returned -> FAIL; trial = none }  /* nor does it */
  /* a check */
  :: atomic { phase == idle && !IN_TRIAL && trial == none && highest_good < LAST && !(tried == LAST && failed == TRIALS) ->
       asked = true; fresh_answer = false; fresh_kept = false; phase = asking }
  :: atomic { phase == asking && answer != NOTHING ->
       if
#ifndef WRONG_NONCE
       :: !fresh_answer -> skip
#endif
#ifndef WRONG_FORGED
       :: !genuine -> skip
#endif
       :: else ->
          if
#ifndef WRONG_FLOOR
          :: answer <= highest_good -> phase = idle
#endif
          :: answer == tried && failed == TRIALS -> phase = idle
          :: else -> target = answer; phase = emptying
          fi
       fi;
       answer = NOTHING; genuine = false; fresh_answer = false }
  :: atomic { phase == asking && answer == NOTHING && !asked -> phase = idle }  /* no answer: ask again */
  /* installing, each step on its own */
  :: atomic { phase == emptying ->
#ifdef WRONG_SLOT
       slot[good] = NOTHING;
#else
       slot[OTHER] = NOTHING;
#endif
       phase = writing }
  :: atomic { phase == writing ->
       if
       :: slot[OTHER] = target
       :: MAY -> FAIL; slot[OTHER] = JUNK                   /* partial, altered, foreign: all the same */
       fi;
       phase = reading }
  :: atomic { phase == reading ->
       if
#ifndef WRONG_READING
       :: slot[OTHER] != target -> phase = idle
#endif
       :: else -> phase = switching
       fi }
  :: atomic { phase == switching ->                         /* one atomic write of the record */
       if
       :: tried != target -> tried = target; failed = 0
       :: else
       fi;
       starts = OTHER; trial = fresh; phase = boot }
  :: atomic { MAY -> FAIL; phase = boot; runs = NOTHING; target = NOTHING }  /* power cut */
  od
}

proctype Cloud() {
  do
  :: atomic { asked && answer == NOTHING -> answer = offered; genuine = true; fresh_answer = true; asked = false }
  :: atomic { offered < LAST -> offered = LAST }            /* the vendor releases another */
  od
}

proctype Network() {
  do
  :: atomic { MAY && asked -> asked = false; FAIL }                                        /* a question is lost */
  :: atomic { MAY && answer != NOTHING -> answer = NOTHING; genuine = false; fresh_answer = false; FAIL }
  :: atomic { MAY && answer != NOTHING && genuine -> kept = answer; fresh_kept = fresh_answer; FAIL }
  :: atomic { MAY && answer == NOTHING -> answer = kept; fresh_answer = fresh_kept; genuine = true; FAIL }
  :: atomic { MAY && answer == NOTHING -> answer = JUNK; fresh_answer = true; genuine = false; FAIL }  /* forged */
  od
}

init {
  atomic {
    if :: works2 = true :: works2 = false fi;
    if :: works3 = true :: works3 = false fi;
    run Device(); run Cloud(); run Network()
  }
}

/* What starts was verified, whatever was sent and whenever the power went. */
ltl never_runs_unverified { [] !ran_unverified }
/* A version that reaches the cloud lies where the device returns to. */
ltl never_locked_out { [] WORKS(slot[good]) }
/* No version is marked good that is older than the one before. */
ltl never_rolls_back { [] !rolled_back }
/* It settles: on the release that is offered, or, after three trials of that, on one that works. */
ltl always_ends { <> [] (starts == good && (highest_good == offered || (tried == offered && failed == TRIALS))) }
