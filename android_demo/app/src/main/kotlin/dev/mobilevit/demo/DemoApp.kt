package dev.mobilevit.demo

import android.app.Application

/** Holds what outlives a rotation: the model, the last answer, a benchmark that is running. */
class DemoApp : Application() {
    /** Made when a screen first asks: the probing process has this Application too, and needs none of it. */
    val session: Session by lazy { Session(this) }
}
