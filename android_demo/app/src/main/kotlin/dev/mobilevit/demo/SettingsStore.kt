package dev.mobilevit.demo

import android.content.Context
import dev.mobilevit.demo.core.Settings

/** The user's [Settings] over restarts; a value that this version does not know is the default again. */
class SettingsStore(private val context: Context) {
    /** Touches a file. */
    fun read(): Settings {
        val stored = preferences().all
        val standard = Settings()
        return Settings(
            (stored[THREADS] as? Int)?.takeIf { it in Settings.THREADS } ?: standard.threads,
            (stored[RESULTS] as? Int)?.takeIf { it in Settings.RESULTS } ?: standard.results,
            (stored[THRESHOLD] as? Int)?.takeIf { it in Settings.THRESHOLDS },
            stored[LIVE_TIMES] as? Boolean ?: standard.liveTimes,
            stored[LIVE_FRAME] as? Boolean ?: standard.liveFrame,
        )
    }

    /** Touches a file. */
    fun write(settings: Settings) {
        val editor = preferences().edit().clear()
            .putInt(THREADS, settings.threads)
            .putInt(RESULTS, settings.results)
            .putBoolean(LIVE_TIMES, settings.liveTimes)
            .putBoolean(LIVE_FRAME, settings.liveFrame)
        settings.threshold?.let { editor.putInt(THRESHOLD, it) }
        editor.commit()
    }

    private fun preferences() = context.getSharedPreferences("settings", Context.MODE_PRIVATE)

    private companion object {
        const val THREADS = "threads"
        const val RESULTS = "results"
        const val THRESHOLD = "threshold"
        const val LIVE_TIMES = "live_times"
        const val LIVE_FRAME = "live_frame"
    }
}
