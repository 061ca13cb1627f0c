/* Rotation of a device's key (HX3-KEY-10 to HX3-KEY-25): can either side ever be locked out, and does it end?
 *
 * A key is its version. What is durable: the cloud's three slots, the device's record of two. Messages are lost,
 * doubled and reordered; power is cut between any two steps of either side, which costs what is not durable.
 * Abstracted: numbers, times and bodies (an unforgeable message is the key that signed it); the device reads both
 * of its keys at any moment, and uses one at a time to say hello.
 *
 * With FAULTS undefined the network and the power may fail for ever: that is for never_locked_out.
 * With FAULTS=n they fail n times in all, and then work: that is for always_ends.
 * WRONG_ACK_FIRST, WRONG_EXPIRY and WRONG_PROMOTION put a mistake into the model, which the check must find.
 */
#ifndef LAST
#define LAST 3
#endif

mtype = { hello, hello_ack, rotate, ack };

chan up = [2] of { mtype, byte };          /* type, signing key */
chan down = [2] of { mtype, byte, byte };  /* type, signing key, version offered */

byte c_active = 1, c_next = 0, c_previous = 0;
byte d_active = 1, d_pending = 0;

#ifdef FAULTS
byte faults = FAULTS;
#define MAY (faults > 0)
#define FAIL faults--
#else
#define MAY true
#define FAIL skip
#endif

#define PUT1(c, m, k) if :: nfull(c) -> c!m,k :: full(c) fi
#define PUT2(c, m, k, v) if :: nfull(c) -> c!m,k,v :: full(c) fi

proctype Cloud() {
  mtype m; byte k;
  do
  :: if
     :: empty(up)
     :: atomic { nempty(up) -> up?m,k;
       if
       :: k != 0 && k == c_next ->            /* committed before anything is signed with it */
            c_previous = c_active; c_active = c_next; c_next = 0
       :: else
       fi };
       if
       :: atomic { m == hello && (k == c_active || k == c_previous) -> PUT2(down, hello_ack, c_active, 0) }
       :: else
       fi
     fi;
     if                                       /* what is due by time, whatever came */
     :: atomic { c_next == 0 && c_active < LAST -> c_next = c_active + 1
#ifdef WRONG_PROMOTION
       ; c_previous = c_active; c_active = c_next; c_next = 0
#endif
       }
     :: atomic { c_next != 0 && nfull(down) -> down!rotate(c_active, c_next) }
     :: c_next == 0 && c_active == LAST
     fi
  :: atomic { c_previous != 0 -> c_previous = 0 }  /* 24 h passed */
  od
}

proctype Device() {
  mtype m; byte k, v; byte to_ack = 0; bool second = false;
  do
  :: if
     :: empty(down)
     :: atomic { nempty(down) -> down?m,k,v;
       if
       :: k != 0 && k == d_pending -> d_active = d_pending; d_pending = 0  /* the cloud uses it */
       :: else
       fi;
       if
       :: m == rotate && k == d_active && v > d_active && v >= d_pending -> to_ack = v
#ifndef WRONG_ACK_FIRST
            ; d_pending = v                                                /* in flash before the ack */
#endif
       :: else
       fi }
     fi;
     if
     :: atomic { to_ack != 0 -> PUT1(up, ack, to_ack) }
     :: else
     fi;
#ifdef WRONG_ACK_FIRST
     if
     :: MAY -> FAIL; to_ack = 0                                            /* the power is cut here */
     :: to_ack != 0 -> d_pending = to_ack; to_ack = 0
     :: else
     fi;
#endif
     to_ack = 0;
     if
     :: full(up)                                                           /* it says hello again later */
     :: atomic { nfull(up) ->
       if
       :: second && d_pending != 0 -> PUT1(up, hello, d_pending)
       :: else -> PUT1(up, hello, d_active)
       fi;
       second = !second }
     fi
  :: atomic { MAY -> FAIL; to_ack = 0; second = false }                    /* power cut */
#ifdef WRONG_EXPIRY
  :: atomic { d_pending != 0 -> d_pending = 0 }
#endif
  od
}

proctype Network() {
  mtype m; byte k, v;
  do
  :: atomic { MAY && nempty(up) -> up?m,k; FAIL }
  :: atomic { MAY && nempty(down) -> down?m,k,v; FAIL }
  :: atomic { MAY && nempty(up) && nfull(up) -> up?m,k; up!m,k; up!m,k; FAIL }
  :: atomic { MAY && nempty(down) && nfull(down) -> down?m,k,v; down!m,k,v; down!m,k,v; FAIL }
  :: atomic { MAY && nempty(up) -> up?m,k; up!m,k; FAIL }
  :: atomic { MAY && nempty(down) -> down?m,k,v; down!m,k,v; FAIL }
  od
}

init { atomic { run Cloud(); run Device(); run Network() } }

/* The cloud signs with c_active alone: the device has to have it, in one place or the other. */
ltl never_locked_out { [] (d_active == c_active || d_pending == c_active) }
ltl always_ends { <> (c_active == LAST && d_active == LAST && d_pending == 0) }
