package dev.mobilevit.demo

/** A value of the main thread and the screens that show it; of several screens each hears of every change. */
class Observed<T>(initial: T) {
    private val listeners = LinkedHashSet<(T) -> Unit>()

    var value = initial
        set(new) {
            field = new
            listeners.toList().forEach { it(new) }
        }

    /** Calls [listener] with the value as it is, and with each new one until [remove]. */
    fun add(listener: (T) -> Unit) {
        listeners.add(listener)
        listener(value)
    }

    fun remove(listener: (T) -> Unit) {
        listeners.remove(listener)
    }
}
